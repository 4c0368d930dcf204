package sandbox

import (
	"net/http"
	"strconv"
	"strings"
)

// noPageHead is the part of Rails' 404 page that the recording keeps, and noPageLen the length of the whole page in
// bytes.
const (
	noPageHead = `<!DOCTYPE html>
<html>
<head>
  <title>The page you were looking for doesn't exist (404)</title>
  <meta name="viewport" content="width=device-width,initial-scale=1">
  <style>
  body {
    background-color: #EFEFEF;
    color: #2E2F30;
    text-align: center;
    font-family: arial, sans-serif;
  `
	noPageTail = `}
  </style>
</head>
<body>
  <p>The page you were looking for doesn't exist.</p>
</body>
</html>
`
	noPageLen = 1564
)

// noPage is Rails' 404 page as far as it was recorded, padded with blanks to its length.
func noPage() []byte {
	fill := noPageLen - len(noPageHead) - len(noPageTail)
	return []byte(noPageHead + strings.Repeat(" ", fill) + noPageTail)
}

// apacheTexts are the pages that Apache writes itself.
var apacheTexts = map[int]struct{ title, text string }{
	http.StatusBadRequest: {"Bad Request",
		"Your browser sent a request that this server could not understand.<br />\n"},
	http.StatusNotFound: {"Not Found",
		"The requested URL was not found on this server."},
	http.StatusRequestURITooLong: {"Request-URI Too Long",
		"The requested URL's length exceeds the capacity\nlimit for this server.<br />\n"},
	http.StatusServiceUnavailable: {"Service Unavailable",
		"The server is temporarily unable to service your\nrequest due to maintenance downtime or capacity\n" +
			"problems. Please try again later."},
}

// apachePage is one of Apache's own answers: Foreman never saw the request,
// or is down (503).
func apachePage(status int) *answer {
	p := apacheTexts[status]
	body := `<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN" "http://www.w3.org/TR/html4/strict.dtd">` +
		"\n<html><head>\n<title>" + strconv.Itoa(status) + " " + p.title + "</title>\n</head><body>\n<h1>" + p.title +
		"</h1>\n<p>" + p.text + "</p>\n</body></html>\n"
	return &answer{status: status, contentType: htmlLatin1, body: []byte(body), closing: status != http.StatusNotFound}
}

// proxyPage is what a proxy between here and Foreman might say, with 200.
const proxyPage = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\n" +
	"<body><h1>Please sign in to the network</h1></body></html>\n"
