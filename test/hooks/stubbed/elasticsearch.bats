#!/usr/bin/env bats
# gate/elasticsearch and both elasticsearch-allocation, with a stub for curl that answers as a cluster of three nodes.
# The answers have the shape of Elasticsearch 8 and OpenSearch 2.
load ../hook

prepare() {
    export ES=$BATS_TEST_TMPDIR/es
    mkdir "$ES"
    # shellcheck disable=SC2016 # not for this shell
    stub curl 'config=$(cat)
        printf "%s\n" "$config" >>"$ES/requests"
        path=$(printf "%s\n" "$config" | sed -n "s,^url = \"https*://[^/]*/\(.*\)\"\$,\1,p")
        method=$(printf "%s\n" "$config" | sed -n "s/^request = //p")
        [ ! -e "$ES/down" ] || { printf "\n000"; echo "curl: (7) Failed to connect to localhost port 9200 after 0 ms: Couldn'"'"'t connect to server" >&2; exit 7; }
        [ ! -e "$ES/refuses" ] || { cat "$ES/refuses"; exit; }
        case $method:$path in
        GET:_cluster/health) file=health ;;
        GET:_cluster/settings) file=settings ;;
        PUT:_cluster/settings)
            [ ! -e "$ES/stuck" ] || { printf "{\"acknowledged\":true,\"persistent\":{},\"transient\":{}}\n200"; exit; }
            cp "$DLM_HOOKS_STATE/elasticsearch-allocation" "$ES/record-at-put"
            value=$(printf "%s\n" "$config" | sed -n "s/^data = .*enable..:\(.*\)}}\"\$/\1/p" | tr -d "\\\\\\\\")
            case $value in
            null) echo "{\"persistent\":{},\"transient\":{}}" ;;
            *) echo "{\"persistent\":{\"cluster\":{\"routing\":{\"allocation\":{\"enable\":$value}}}},\"transient\":{}}" ;;
            esac >"$ES/settings"
            printf "{\"acknowledged\":true,\"persistent\":{},\"transient\":{}}\n200"
            exit ;;
        POST:_flush) file=flush ;;
        "GET:_nodes/_local?filter_path=nodes.*.name") file=local ;;
        "GET:_nodes?filter_path=nodes.*.name") file=nodes ;;
        "GET:_cluster/state/metadata?filter_path=metadata.cluster_coordination.last_committed_config") file=voting ;;
        "GET:?filter_path=cluster_uuid") file=root ;;
        *) printf "{\"error\":\"no handler found for uri [/%s] and method [%s]\"}\n400" "$path" "$method"; exit ;;
        esac
        [ ! -e "$ES/later" ] || mv "$ES/later" "$ES/health"
        [ -s "$ES/$file" ] || { printf "{}\n200"; exit; }
        cat "$ES/$file"
        printf "%s" "${CODE:-200}"'
    stub sleep
    health
    settings '{}'
    reply flush '{"_shards":{"total":10,"successful":10,"failed":0}}'
    reply local '{"nodes":{"aaa":{"name":"web1"}}}'
    reply nodes '{"nodes":{"aaa":{"name":"web1"},"bbb":{"name":"web2"},"ccc":{"name":"web3"}}}'
    reply voting '{"metadata":{"cluster_coordination":{"last_committed_config":["aaa","bbb","ccc"]}}}'
    reply root '{"cluster_uuid":"uuid-1"}'
    setting elasticsearch-allocation healthy_timeout=0
}
reply() { printf '%s\n' "$2" >"$ES/$1"; }
health() { # [STATUS [RELOCATING [INITIALIZING [UNASSIGNED]]]]
    reply "${FILE:-health}" '{"cluster_name":"shop","status":"'"${1:-green}"'","timed_out":false,"number_of_nodes":3,
"number_of_data_nodes":3,"active_primary_shards":5,"active_shards":10,"relocating_shards":'"${2:-0}"',
"initializing_shards":'"${3:-0}"',"unassigned_shards":'"${4:-0}"',"delayed_unassigned_shards":0,
"active_shards_percent_as_number":100.0}'
}
settings() { reply settings '{"persistent":'"$1"',"transient":'"${2:-{\}}"'}'; } # PERSISTENT [TRANSIENT]
enable() { echo '{"cluster":{"routing":{"allocation":{"enable":"'"$1"'"}}}}'; }
set_to() { [[ $(<"$ES/settings") == "{\"persistent\":$1,\"transient\":{}}" ]]; }
puts() { grep -c '^request = PUT' "$ES/requests" || :; }
gate() { hook gate/elasticsearch; }
pre() { hook pre_update/elasticsearch-allocation; }
post() { hook post_update/elasticsearch-allocation; }
no_change() { # WHY: neither the gate nor pre_update let this host go, and nothing is changed
    gate
    not_now "Elasticsearch: $1"
    pre
    exits 1
    says "nothing was changed: $1. Fix it, and start the updater again"
    [[ $(puts) == 0 && ! -e $DLM_HOOKS_STATE/elasticsearch-allocation ]]
}

@test "the gate says yes; the request" {
    gate
    exits 0
    says "Elasticsearch: the cluster is green and may lose web1"
    called "curl -q -sS -K - --connect-timeout 5 --max-time 10 -w"
    setting elasticsearch url=https://localhost:9200/ curl_config=/etc/curl timeout=3
    gate
    exits 0
    called "curl -q -sS -K /etc/curl -K - --connect-timeout 5 --max-time 3 -w"
    grep -qx 'url = "https://localhost:9200/_cluster/health"' "$ES/requests"
}

@test "only primaries, after it was recorded; and all again" {
    pre
    exits 0
    says "elasticsearch-allocation: the cluster allocates only primaries from now on"
    says "elasticsearch-allocation: flushed"
    set_to "$(enable primaries)"
    [[ $(tr '\n' ' ' <"$ES/record-at-put") == "run-1 was=unset cluster=uuid-1 " ]]
    pre # again
    exits 0
    says "this run lets the cluster allocate only primaries already"
    post
    exits 0
    says "elasticsearch-allocation: web1 is back, and the cluster is green"
    set_to '{}'
    post # again
    exits 0
    [[ $(puts) == 2 ]]
}

@test "it gets back the value that it had" {
    settings "$(enable all)"
    pre
    exits 0
    post
    exits 0
    set_to "$(enable all)"
}

@test "what somebody else has set" {
    local value
    for value in none primaries new_primaries; do
        settings "$(enable $value)"
        no_change "somebody has set cluster.routing.allocation.enable to $value (persistent)"
    done
    settings '{}' "$(enable all)"
    no_change "somebody has set cluster.routing.allocation.enable to all (transient)"
    settings '{}'
    pre
    exits 0
    settings "$(enable none)" # meanwhile
    post
    exits 0
    says "the cluster is green; somebody has set cluster.routing.allocation.enable to none: it stays so"
    [[ $(puts) == 1 ]]
}

@test "another run's record does not count" {
    pre
    exits 0
    DLM_RUN_ID=run-2 post
    exits 0
    says "this run changed nothing"
    DLM_RUN_ID=run-2 pre
    exits 1
    says "somebody has set cluster.routing.allocation.enable to primaries (persistent)"
    set_to "$(enable primaries)"
}

@test "the cluster is not healthy" {
    health yellow 0 0 3
    no_change "the cluster is yellow, 3 shards unassigned"
    health green 2
    no_change "2 shards are on the move (relocating)"
    health green 0 1
    no_change "1 shards are being built up (initializing)"
    health blue
    no_change "http://localhost:9200/_cluster/health has an answer that was not understood"
    health red 0 0 9
    setting elasticsearch health=yellow
    no_change "the cluster is red, 9 shards unassigned"
    health yellow 0 0 3
    gate
    exits 0
    reply health '{"status":"green"}'
    no_change "an unknown number of shards are being built up (initializing)"
}

@test "the nodes that elect the master" {
    reply nodes '{"nodes":{"aaa":{"name":"web1"},"bbb":{"name":"web2"}}}'
    no_change "without this node 1 of 3 nodes that elect the master would be left"
    reply voting '{"metadata":{"cluster_coordination":{"last_committed_config":["aaa"]}}}'
    no_change "without this node 0 of 1 nodes that elect the master would be left"
    setting elasticsearch masters=ignore
    gate
    exits 0
    setting elasticsearch
    reply voting '{"metadata":{"cluster_coordination":{"last_committed_config":["bbb"]}}}' # this one does not vote
    gate
    exits 0
    reply voting '{}'
    no_change "it is unknown which nodes elect the master (before version 7?)"
    reply local '{}'
    no_change "http://localhost:9200 does not say which node it is"
}

@test "no answer, or one that is not understood" {
    touch "$ES/down"
    local why="could not be asked: curl: (7) Failed to connect to localhost port 9200 after 0 ms: Couldn't connect to server"
    gate
    not_now "Elasticsearch: http://localhost:9200/_cluster/health $why"
    pre
    exits 1
    says "nothing was changed: http://localhost:9200/_cluster/settings $why. Fix it, and start the updater again"
    setting elasticsearch curl_config=/none
    gate
    not_now "Elasticsearch: http://localhost:9200/_cluster/health could not be asked: \
curl_config=/none in ${DLM_CONFIG%/*}/hooks.conf.d/elasticsearch.conf can't be read"
    setting elasticsearch
    rm "$ES/down"
    printf '<html>\n502' >"$ES/refuses"
    gate
    not_now "Elasticsearch: http://localhost:9200/_cluster/health could not be asked: its answer is HTTP status 502 and not JSON"
    printf 'Unauthorized\n401' >"$ES/refuses"
    gate
    not_now "Elasticsearch: http://localhost:9200/_cluster/health could not be asked: HTTP status 401: set curl_config to a \
file with a user that may do this"
    printf '{"error":{"type":"master_not_discovered_exception","reason":"no master"},"status":503}\n503' >"$ES/refuses"
    gate
    not_now "Elasticsearch: http://localhost:9200/_cluster/health could not be asked: HTTP status 503: no master"
    printf '{}\n200' >"$ES/refuses"
    pre
    exits 1
    says "http://localhost:9200/_cluster/settings has an answer that was not understood"
}

@test "after a crash: with the node stopped, and between the record and the change" {
    pre
    exits 0
    touch "$ES/down"
    pre
    exits 0
    says "the node at http://localhost:9200 is down; only primaries were allocated when this run came here first"
    rm "$ES/down"
    settings '{}'
    printf '%s\n' run-1 was=unset cluster=uuid-1 >"$DLM_HOOKS_STATE/elasticsearch-allocation"
    touch "$ES/down"
    pre
    exits 1
    says "nothing was changed"
    rm "$ES/down"
    pre
    exits 0
    set_to "$(enable primaries)"
    post
    exits 0
    set_to '{}'
}

@test "a change that has no effect, and a flush that fails" {
    touch "$ES/stuck"
    pre
    exits 1
    says "cluster.routing.allocation.enable is unset after it was set to primaries"
    rm "$ES/stuck"
    reply flush '{"_shards":{"total":10,"successful":9,"failed":1}}'
    pre
    exits 0
    says "the flush failed (some shards)"
    touch "$ES/stuck"
    post
    exits 1
    says "cluster.routing.allocation.enable is still primaries"
}

@test "the node is not back, or in another cluster; it waits" {
    pre
    exits 0
    touch "$ES/down"
    post
    exits 1
    says "the cluster is not healthy after 0 s: http://localhost:9200/_nodes/_local"
    rm "$ES/down"
    reply root '{"cluster_uuid":"uuid-2"}'
    post
    exits 1
    says "it is in the cluster uuid-2, and was in uuid-1"
    set_to "$(enable primaries)"
    reply root '{"cluster_uuid":"uuid-1"}'
    health yellow 0 0 4
    post
    exits 1
    says "the cluster is yellow, 4 shards unassigned"
    set_to '{}'
    setting elasticsearch-allocation healthy_timeout=60
    # shellcheck disable=SC2016 # not for this shell
    stub sleep 'sed -i "s/yellow/green/" "$ES/health"'
    post
    exits 0
    [[ $(grep -c ^sleep "$CALLS") == 1 ]]
}

@test "settings that are not understood" {
    local line
    for line in health=red masters=2 timeout=0 url=http://u:p@localhost; do
        setting elasticsearch "$line"
        gate
        exits 1
        says "${line%%=*}"
        pre
        exits 1
    done
    setting elasticsearch
    setting elasticsearch-allocation flush_timeout=x
    pre
    exits 1
    says "flush_timeout=x in $BATS_TEST_TMPDIR/etc/hooks.conf.d/elasticsearch-allocation.conf: use a whole number"
    setting elasticsearch-allocation healthy_timeout=x
    post
    exits 1
}
