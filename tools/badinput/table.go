package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
)

// goTest reads the tables of a Go test file that have a directive above them.
func goTest(path, source string) ([]group, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	var groups []group
	for _, comments := range file.Comments {
		for _, comment := range comments.List {
			directive, ok := strings.CutPrefix(comment.Text, "//bad:")
			if !ok {
				continue
			}
			section, fields, ok := strings.Cut(directive, ": ")
			test, table := tableAfter(file, comment.End())
			if !ok || table == nil {
				return nil, fmt.Errorf("%q: want //bad:SECTION: NAME SAYS..., and a table below", comment.Text)
			}
			t := &reader{constants: constants(file, test), columns: columns(table), fields: strings.Fields(fields)}
			g := group{section: section, source: fmt.Sprintf("`%s` in `%s`", test.Name.Name, source)}
			if g.rows, err = t.rows(table); err != nil {
				return nil, fmt.Errorf("%s: %w", test.Name.Name, err)
			}
			groups = append(groups, g)
		}
	}
	return groups, nil
}

// tableAfter finds the first literal of a list or map of structs below a place, and the test that it is in.
func tableAfter(file *ast.File, place token.Pos) (*ast.FuncDecl, *ast.CompositeLit) {
	for _, decl := range file.Decls {
		test, ok := decl.(*ast.FuncDecl)
		if !ok || test.End() < place || test.Pos() > place {
			continue
		}
		var table *ast.CompositeLit
		ast.Inspect(test, func(n ast.Node) bool {
			if lit, ok := n.(*ast.CompositeLit); ok && table == nil && lit.Pos() > place && columns(lit) != nil {
				table = lit
			}
			return table == nil
		})
		return test, table
	}
	return nil, nil
}

// columns are the names of a table's fields; nil if it is no table.
func columns(table *ast.CompositeLit) (names []string) {
	var element ast.Expr
	switch t := table.Type.(type) {
	case *ast.ArrayType:
		element = t.Elt
	case *ast.MapType:
		element = t.Value
	}
	fields, ok := element.(*ast.StructType)
	if !ok {
		return nil
	}
	for _, field := range fields.Fields.List {
		for _, name := range field.Names {
			names = append(names, name.Name)
		}
	}
	return names
}

// constants are the string constants of a file and of a test.
func constants(file *ast.File, test *ast.FuncDecl) map[string]ast.Expr {
	found := map[string]ast.Expr{}
	for _, node := range []ast.Node{file, test} {
		ast.Inspect(node, func(n ast.Node) bool {
			if _, other := n.(*ast.FuncDecl); other && n != ast.Node(test) {
				return false
			}
			if spec, ok := n.(*ast.ValueSpec); ok {
				for i, name := range spec.Names {
					if i < len(spec.Values) {
						found[name.Name] = spec.Values[i]
					}
				}
			}
			return true
		})
	}
	return found
}

type reader struct {
	constants map[string]ast.Expr
	columns   []string
	fields    []string // the first names the input, the rest says what happens; "key" is a map's key
}

// fine is the name of an entry that says what happens but is not bad input.
const fine = "nothing is wrong"

// rows reads a table. It leaves out an entry that does not say what happens: that input is not bad.
func (r *reader) rows(table *ast.CompositeLit) (rows []row, err error) {
	for _, element := range table.Elts {
		cells := r.cells(element)
		var says []string
		for _, field := range r.fields[1:] {
			if text := r.text(cells[field]); text != "" {
				says = append(says, text)
			}
		}
		what := r.evaluate(cells[r.fields[0]])
		happens := strings.Join(says, ": ")
		if happens == "" || what == fine {
			continue
		}
		if quoted := strconv.Quote(what); quoted != `"`+what+`"` || strings.ContainsAny(what, "*_=<|") {
			what = code(quoted)
		}
		rows = append(rows, row{what, happens})
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("no entries with %q", r.fields)
	}
	return rows, nil
}

// cells are an entry's expressions by their fields' names.
func (r *reader) cells(entry ast.Expr) map[string]ast.Expr {
	cells := map[string]ast.Expr{}
	if pair, ok := entry.(*ast.KeyValueExpr); ok {
		cells["key"], entry = pair.Key, pair.Value
	}
	for i, value := range entry.(*ast.CompositeLit).Elts {
		if pair, ok := value.(*ast.KeyValueExpr); ok {
			cells[pair.Key.(*ast.Ident).Name] = pair.Value
		} else {
			cells[r.columns[i]] = value
		}
	}
	return cells
}

// text shows a cell: a string as code, the name of an error as it is, nothing for nil and "".
func (r *reader) text(cell ast.Expr) string {
	switch c := cell.(type) {
	case nil:
		return ""
	case *ast.Ident:
		if _, known := r.constants[c.Name]; !known && c.Name != "nil" {
			return c.Name
		} else if !known {
			return ""
		}
	case *ast.CompositeLit:
		var parts []string
		for _, element := range c.Elts {
			parts = append(parts, r.text(element))
		}
		return strings.Join(parts, ", ")
	}
	if text := r.evaluate(cell); text != "" {
		return code(text)
	}
	return ""
}

// evaluate is the value of a string. A part that is known only at run time becomes "…".
func (r *reader) evaluate(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return text
		}
		return e.Value
	case *ast.BinaryExpr:
		return r.evaluate(e.X) + r.evaluate(e.Y)
	case *ast.Ident:
		if value, ok := r.constants[e.Name]; ok {
			return r.evaluate(value)
		}
	case *ast.CallExpr:
		// strings.Repeat and the like: only their first argument.
		if len(e.Args) > 0 {
			return r.evaluate(e.Args[0]) + "…"
		}
	}
	return "…"
}
