"""A stand-in for Kubernetes's API server, as far as kubectl needs it to cordon and drain one node: "web1", which it also
knows by this host's name.

Its answers have the shape of Kubernetes 1.32. Tests change what it says: PUT /test/NAME sets STATE[NAME] to the JSON in
the body, PUT /test/node merges it into the node; GET /test/log returns one line for each change that it was asked for.
"""
import json
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

NODE = {
    "kind": "Node", "apiVersion": "v1",
    "metadata": {"name": "web1", "uid": "u-web1", "resourceVersion": "1", "annotations": {"volumes/x": "y"}},
    "spec": {},
    "status": {"nodeInfo": {"bootID": ""}, "conditions": [
        {"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": "True"}]},
}
NAMES = ["web1", socket.gethostname()]
STATE = {"allowed": 9, "renewed": "", "kubelet": False, "conflicts": 0, "emptydir": False, "naked": False}
GONE = set()
LOG = []
KINDS = {
    "/api/v1": [("nodes", "Node", False), ("pods", "Pod", True), ("pods/eviction", "Eviction", True)],
    "/apis/apps/v1": [("daemonsets", "DaemonSet", True)],
    "/apis/policy/v1": [("poddisruptionbudgets", "PodDisruptionBudget", True)],
    "/apis/policy/v1beta1": [("poddisruptionbudgets", "PodDisruptionBudget", True)],
    "/apis/coordination.k8s.io/v1": [("leases", "Lease", True)],
}


def pod(name, owner, annotations=None, volumes=()):
    refs = [{"apiVersion": "apps/v1", "kind": owner, "name": name, "uid": "u-" + name, "controller": True}] if owner else []
    return {"kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": name, "namespace": "default", "uid": "u-" + name, "ownerReferences": refs,
                         "annotations": annotations or {}},
            "spec": {"nodeName": "web1", "volumes": list(volumes), "containers": [{"name": "c", "image": "i"}]},
            "status": {"phase": "Running"}}


def pods():
    every = [pod("shop", "ReplicaSet"), pod("kube-proxy", "DaemonSet"),
             pod("etcd", None, {"kubernetes.io/config.mirror": "x"})]
    if STATE["emptydir"]:
        every.append(pod("cache", "ReplicaSet", volumes=[{"name": "data", "emptyDir": {}}]))
    if STATE["naked"]:
        every.append(pod("naked", None))
    return [p for p in every if p["metadata"]["name"] not in GONE]


def merge(into, patch):
    for key, value in patch.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, body, code=200, kind="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def status(self, code, reason, message, **details):
        self.answer({"kind": "Status", "apiVersion": "v1", "metadata": {},
                     "status": "Failure" if code >= 400 else "Success",
                     "message": message, "reason": reason, "details": details, "code": code}, code)

    def body(self):
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")

    def do_GET(self):
        url = urlsplit(self.path)
        path = url.path
        if path == "/test/log":
            self.answer("".join(line + "\n" for line in LOG).encode())
        elif path == "/version":
            self.answer({"major": "1", "minor": "32", "gitVersion": "v1.32.3"})
        elif path == "/api":
            self.answer({"kind": "APIVersions", "versions": ["v1"]})
        elif path == "/apis":
            groups = {}
            for p in KINDS:
                if p.startswith("/apis/"):
                    _, _, group, version = p.split("/")
                    groups.setdefault(group, []).append({"groupVersion": group + "/" + version, "version": version})
            self.answer({"kind": "APIGroupList", "apiVersion": "v1", "groups": [
                {"name": g, "versions": v, "preferredVersion": v[0]} for g, v in groups.items()]})
        elif path in KINDS:
            version = path.removeprefix("/apis/").removeprefix("/api/")
            listed = []
            for n, k, namespaced in KINDS[path]:
                one = {"name": n, "singularName": k.lower(), "namespaced": namespaced, "kind": k,
                       "verbs": ["create", "get", "list", "patch"]}
                if n == "pods/eviction":
                    one.update(group="policy", version="v1")
                listed.append(one)
            self.answer({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": listed})
        elif path == "/openapi/v3":
            self.answer({"paths": {"api/v1": {"serverRelativeURL": "/openapi/v3/api/v1"}}})
        elif path == "/openapi/v3/api/v1":
            patch = {"patch": {"x-kubernetes-action": "patch",
                               "x-kubernetes-group-version-kind": {"group": "", "kind": "Node", "version": "v1"},
                               "parameters": [{"name": "dryRun", "in": "query", "schema": {"type": "string"}}]}}
            self.answer({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.32.3"},
                         "paths": {"/api/v1/nodes/{name}": patch}, "components": {"schemas": {}}})
        elif path in ["/api/v1/nodes/" + name for name in NAMES]:
            self.answer(NODE)
        elif path.startswith("/api/v1/nodes/"):
            name = path.rsplit("/", 1)[1]
            self.status(404, "NotFound", 'nodes "%s" not found' % name, name=name, kind="nodes")
        elif path == "/api/v1/pods":
            assert parse_qs(url.query)["fieldSelector"][0] in ["spec.nodeName=" + name for name in NAMES], url.query
            self.answer({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": pods()})
        elif path.startswith("/api/v1/namespaces/default/pods/"):
            name = path.rsplit("/", 1)[1]
            found = [p for p in pods() if p["metadata"]["name"] == name]
            if found:
                self.answer(found[0])
            else:
                self.status(404, "NotFound", 'pods "%s" not found' % name, name=name, kind="pods")
        elif path == "/apis/apps/v1/namespaces/default/daemonsets/kube-proxy":
            if STATE["kubelet"]:
                self.status(403, "Forbidden", 'daemonsets.apps "kube-proxy" is forbidden: User "system:node:web1" cannot '
                            'get resource "daemonsets" in API group "apps" in the namespace "default"',
                            name="kube-proxy", group="apps", kind="daemonsets")
            else:
                self.answer({"kind": "DaemonSet", "apiVersion": "apps/v1",
                             "metadata": {"name": "kube-proxy", "namespace": "default", "uid": "u-kube-proxy"}})
        elif path in ["/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/" + name for name in NAMES]:
            self.answer({"kind": "Lease", "apiVersion": "coordination.k8s.io/v1",
                         "metadata": {"name": "web1", "namespace": "kube-node-lease"},
                         "spec": {"renewTime": STATE["renewed"]}})
        else:
            self.status(404, "NotFound", "the server could not find the requested resource")

    def do_PATCH(self):
        url = urlsplit(self.path)
        patch, dry = self.body(), "dryRun" in parse_qs(url.query)
        if not dry:
            LOG.append("PATCH " + json.dumps(patch, sort_keys=True))
        version = patch.get("metadata", {}).get("resourceVersion")
        if STATE["conflicts"] and version:
            STATE["conflicts"] -= 1
            NODE["metadata"]["resourceVersion"] = str(int(NODE["metadata"]["resourceVersion"]) + 1)
        if version and version != NODE["metadata"]["resourceVersion"]:
            self.status(409, "Conflict", 'Operation cannot be fulfilled on nodes "web1": the object has been modified; '
                        "please apply your changes to the latest version and try again", name="web1", kind="nodes")
            return
        node = json.loads(json.dumps(NODE))
        merge(node, patch)
        node["metadata"]["resourceVersion"] = str(int(NODE["metadata"]["resourceVersion"]) + 1)
        if not dry:
            NODE.update(node)
        self.answer(node)

    def do_POST(self):
        path = urlsplit(self.path).path
        body = self.body()
        dry = "dryRun" in body.get("deleteOptions", {}) or "dryRun" in self.path
        if not path.endswith("/eviction"):
            self.status(404, "NotFound", "the server could not find the requested resource")
            return
        name = path.split("/")[-2]
        if not dry:
            LOG.append("EVICT " + name)
        if STATE["allowed"] < 1:
            self.answer({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                         "message": "Cannot evict pod as it would violate the pod's disruption budget.",
                         "reason": "TooManyRequests", "code": 429, "details": {"causes": [{
                             "reason": "DisruptionBudget",
                             "message": "The disruption budget shop needs 2 healthy pods and has 2 currently"}]}}, 429)
            return
        if not dry:
            GONE.add(name)
        self.status(201, "", "")

    def do_PUT(self):
        name, value = self.path.removeprefix("/test/"), self.body()
        if name == "node":
            merge(NODE, value)
        else:
            STATE[name] = value
            if name == "allowed":
                GONE.clear()
                LOG.clear()
        self.answer({})


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
