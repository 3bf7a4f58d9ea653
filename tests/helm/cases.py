"""The chart's cases: each renders it with some values, and looks at what comes out, or at the refusal."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "helm/backref"
HELM = os.environ["HELM"]
PORT, ADMIN = 5080, 5081

UP = {"upstream": {"url": "http://registry:5000"}}
POSTGRES = {"store": {"type": "postgres", "postgres": {"url": "postgres://me@db/refs", "existingSecret": "pg"}}}

passed = failed = 0


def merged(*parts):
    whole = {}
    for part in parts:
        for key, value in part.items():
            both = isinstance(value, dict) and isinstance(whole.get(key), dict)
            whole[key] = merged(whole[key], value) if both else value
    return whole


def nested(path, value):
    """{"a": {"b": value}} of "a.b"."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


def helm(*arguments):
    return subprocess.run([HELM, *arguments], capture_output=True, text=True)


def render(values, release="r", chart=CHART):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(values, file)
        file.flush()
        return helm("template", release, str(chart), "--namespace", "ns", "--kube-version", "1.34.0", "-f", file.name)


class Made:
    """What came out, by kind and name."""

    def __init__(self, values, release="r", chart=CHART):
        ran = render(values, release, chart)
        assert ran.returncode == 0, ran.stderr
        self.text = ran.stdout
        self.all = [one for one in yaml.safe_load_all(ran.stdout) if one]

    def kinds(self):
        return sorted({one["kind"] for one in self.all})

    def one(self, kind, name=None):
        found = [one for one in self.all if one["kind"] == kind and name in (None, one["metadata"]["name"])]
        found = [one for one in found if "helm.sh/hook" not in one["metadata"].get("annotations", {})]
        assert len(found) == 1, f"{len(found)} of {kind} {name}"
        return found[0]

    def workload(self):
        return next(one for one in self.all if one["kind"] in ("Deployment", "StatefulSet"))

    def pod(self):
        return self.workload()["spec"]["template"]["spec"]

    def container(self):
        return next(one for one in self.pod()["containers"] if one["name"] == "backref")

    def settings(self):
        return tomllib.loads(self.one("ConfigMap")["data"]["backref.toml"])


def case(name, check):
    global passed, failed
    try:
        check()
        passed += 1
        print(f"ok      {name}")
    except Exception as error:  # each case by itself
        failed += 1
        print(f"FAILED  {name}\n        {type(error).__name__}: {str(error)[:800]}")


def gives(name, values, look, release="r"):
    """A case that renders the chart, and looks: `look` gives pairs that have to be equal."""

    def check():
        for got, wanted in look(Made(values, release)):
            assert got == wanted, f"{got!r}, not {wanted!r}"

    case(name, check)


def refuses(name, values, *words):
    """A case in which the chart says no, and which value to change."""

    def check():
        ran = render(values)
        assert ran.returncode != 0, "it is rendered"
        for word in words:
            assert word in ran.stderr, f"{word!r} is not in: {ran.stderr}"

    case(f"refused: {name}", check)


# ---- the two ways to keep the rows

gives("sqlite: a StatefulSet of one with a claim", UP, lambda m: [
    (m.workload()["kind"], "StatefulSet"),
    (m.workload()["spec"]["replicas"], 1),
    (m.workload()["spec"]["volumeClaimTemplates"][0]["spec"]["accessModes"], ["ReadWriteOnce"]),
    (m.workload()["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"], "1Gi"),
    ("storageClassName" in m.workload()["spec"]["volumeClaimTemplates"][0]["spec"], False),
    (m.settings()["store"], {"url": "sqlite:/var/lib/backref/backref.db"}),
    ("PodDisruptionBudget" in m.kinds(), False),
])
gives("sqlite: size and class of its claim", merged(UP, nested("store.sqlite", {"size": "7Gi", "storageClass": "fast"})), lambda m: [
    (m.workload()["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"], "fast"),
    (m.workload()["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"], "7Gi"),
])
gives("sqlite: a claim that is there", merged(UP, nested("store.sqlite.existingClaim", "mine")), lambda m: [
    ("volumeClaimTemplates" in m.workload()["spec"], False),
    ([v for v in m.pod()["volumes"] if v["name"] == "data"][0]["persistentVolumeClaim"]["claimName"], "mine"),
])
gives("sqlite: without a volume", merged(UP, nested("store.sqlite.persistence", False)), lambda m: [
    ("volumeClaimTemplates" in m.workload()["spec"], False),
    ([v for v in m.pod()["volumes"] if v["name"] == "data"][0]["emptyDir"], {}),
])
gives("sqlite: no replica is none", merged(UP, {"replicaCount": 0}), lambda m: [(m.workload()["spec"]["replicas"], 0)])
gives("postgres: a Deployment that never has too few", merged(UP, POSTGRES, {"replicaCount": 3}), lambda m: [
    (m.workload()["kind"], "Deployment"),
    (m.workload()["spec"]["replicas"], 3),
    (m.workload()["spec"]["strategy"]["rollingUpdate"], {"maxUnavailable": 0, "maxSurge": 1}),
    (m.one("PodDisruptionBudget")["spec"]["maxUnavailable"], 1),
    (m.one("PodDisruptionBudget")["spec"]["unhealthyPodEvictionPolicy"], "AlwaysAllow"),
    ([v["name"] for v in m.pod()["volumes"]], ["settings", "postgres"]),
])
gives("postgres: the password is a file of a Secret", merged(UP, POSTGRES, nested("store.postgres.passwordKey", "pw")), lambda m: [
    (m.settings()["store"], {"url": "postgres://me@db/refs", "password_file": "/etc/backref/postgres/pw", "connections": 16}),
    ([v for v in m.pod()["volumes"] if v["name"] == "postgres"][0]["secret"]["secretName"], "pg"),
    ("password" in json.dumps(m.one("ConfigMap")).replace("password_file", ""), False),
])
gives("postgres: without a password", merged(UP, nested("store", {"type": "postgres", "postgres": {"url": "postgres://me@db/refs"}})), lambda m: [
    ("password_file" in m.settings()["store"], False), ([v["name"] for v in m.pod()["volumes"]], ["settings"]),
])
gives("postgres: an authority of one's own", merged(UP, POSTGRES, nested("store.postgres.caSecret.name", "ca")), lambda m: [
    (m.settings()["store"]["url"], "postgres://me@db/refs?sslmode=verify-full&sslrootcert=/etc/backref/postgres-ca/ca.crt"),
    ([v for v in m.pod()["volumes"] if v["name"] == "postgres-ca"][0]["secret"]["secretName"], "ca"),
])
gives("postgres: an authority beside other options", merged(UP, POSTGRES, nested("store.postgres", {"url": "postgres://me@db/refs?connect_timeout=2", "caSecret": {"name": "ca"}})), lambda m: [
    (m.settings()["store"]["url"], "postgres://me@db/refs?connect_timeout=2&sslmode=verify-full&sslrootcert=/etc/backref/postgres-ca/ca.crt"),
])
gives("postgres: how many connections", merged(UP, POSTGRES, nested("store.postgres.connections", 4)), lambda m: [(m.settings()["store"]["connections"], 4)])
gives("postgres: one replica has no budget", merged(UP, POSTGRES), lambda m: [("PodDisruptionBudget" in m.kinds(), False)])
gives("postgres: no budget where that is said", merged(UP, POSTGRES, {"replicaCount": 2, "podDisruptionBudget": {"enabled": False}}), lambda m: [("PodDisruptionBudget" in m.kinds(), False)])
gives("postgres: scaled by load", merged(UP, POSTGRES, {"autoscaling": {"enabled": True, "minReplicas": 3, "maxReplicas": 9}}), lambda m: [
    ("replicas" in m.workload()["spec"], False),
    (m.one("HorizontalPodAutoscaler")["spec"]["minReplicas"], 3),
    (m.one("HorizontalPodAutoscaler")["spec"]["maxReplicas"], 9),
    (m.one("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"], m.workload()["metadata"]["name"]),
    ("PodDisruptionBudget" in m.kinds(), True),
])

# ---- settings

gives("settings: what other values decide", UP, lambda m: [
    (m.settings()["listen"], f"0.0.0.0:{PORT}"), (m.settings()["admin"]["listen"], f"0.0.0.0:{ADMIN}"),
    (m.settings()["upstream"], {"url": "http://registry:5000"}), (m.settings()["log"], {"format": "json"}),
])
gives("settings: IPv6", merged(UP, {"listenAddress": "[::]"}), lambda m: [(m.settings()["listen"], f"[::]:{PORT}"), (m.settings()["admin"]["listen"], f"[::]:{ADMIN}")])
gives("settings: the upstream's name and authority", merged(UP, {"upstream": {"name": "hub", "caSecret": {"name": "ca", "key": "x.pem"}}}), lambda m: [
    (m.settings()["upstream"], {"url": "http://registry:5000", "name": "hub", "ca_file": "/etc/backref/upstream-ca/x.pem"}),
    ([v for v in m.container()["volumeMounts"] if v["name"] == "upstream-ca"][0]["readOnly"], True),
])
gives("settings: sections of one's own", merged(UP, {"config": {"referrers": {"digest_tags": "write", "cosign_tags": True}, "upstream": {"answer_timeout": "10m"}, "limits": {"connections": 7}, "log": {"format": "text"}}}), lambda m: [
    (m.settings()["referrers"], {"digest_tags": "write", "cosign_tags": True}),
    (m.settings()["upstream"]["answer_timeout"], "10m"),
    (m.settings()["limits"], {"connections": 7, "drain_delay": "0s", "drain_timeout": "60s"}),
    (m.settings()["log"], {"format": "text"}),
])
gives("settings: gates, a list of tables", merged(UP, {"config": {"gate": [{"repositories": ["prod/*"], "require": ["a/b"]}]}}), lambda m: [
    (m.settings()["gate"], [{"repositories": ["prod/*"], "require": ["a/b"]}]),
])
gives("settings: several registries", {"config": {"upstream": [{"url": "https://a", "hosts": "a.example"}, {"url": "https://b"}]}}, lambda m: [
    ([one["url"] for one in m.settings()["upstream"]], ["https://a", "https://b"]),
])
gives("settings: a change replaces the pods", UP, lambda m: [
    (m.workload()["spec"]["template"]["metadata"]["annotations"]["checksum/settings"] ==
     Made(merged(UP, {"config": {"workers": 3}})).workload()["spec"]["template"]["metadata"]["annotations"]["checksum/settings"], False),
])
gives("settings: drain, with somebody else to go to", merged(UP, POSTGRES, {"drain": {"delaySeconds": 3, "timeoutSeconds": 40}}), lambda m: [
    (m.settings()["limits"], {"drain_delay": "3s", "drain_timeout": "40s"}),
    (m.pod()["terminationGracePeriodSeconds"], 53),
])
gives("settings: drain, with nobody else", merged(UP, {"drain": {"delaySeconds": 3, "timeoutSeconds": 40}}), lambda m: [
    (m.settings()["limits"], {"drain_delay": "0s", "drain_timeout": "40s"}),
    (m.pod()["terminationGracePeriodSeconds"], 50),
])

# ---- the pod

for name, values in (("sqlite", UP), ("postgres", merged(UP, POSTGRES))):
    gives(f"pod, {name}: what `restricted` asks for", values, lambda m: [
        (m.pod()["securityContext"]["runAsNonRoot"], True), (m.pod()["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"}),
        (m.pod()["securityContext"]["runAsUser"] >= 10001, True),
        (m.container()["securityContext"]["allowPrivilegeEscalation"], False),
        (m.container()["securityContext"]["capabilities"], {"drop": ["ALL"]}),
        (m.container()["securityContext"]["readOnlyRootFilesystem"], True),
        (m.pod()["automountServiceAccountToken"], False), (m.pod()["enableServiceLinks"], False),
    ])
    gives(f"pod, {name}: probes ask the admin listener", values, lambda m: [
        ({p["name"]: p["containerPort"] for p in m.container()["ports"]}, {"http": PORT, "admin": ADMIN}),
        ([m.container()[p]["httpGet"] for p in ("startupProbe", "livenessProbe", "readinessProbe")],
         [{"path": "/livez", "port": "admin"}, {"path": "/livez", "port": "admin"}, {"path": "/readyz", "port": "admin"}]),
    ])
    gives(f"pod, {name}: found by the Service, and spread", values, lambda m: [
        (m.one("Service")["spec"]["selector"].items() <= m.workload()["spec"]["template"]["metadata"]["labels"].items(), True),
        (m.workload()["spec"]["selector"]["matchLabels"], m.one("Service")["spec"]["selector"]),
        ([c["topologyKey"] for c in m.pod()["topologySpreadConstraints"]], ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]),
        ({c["whenUnsatisfiable"] for c in m.pod()["topologySpreadConstraints"]}, {"ScheduleAnyway"}),
    ])
gives("pod: image by the chart's version", UP, lambda m: [
    (m.container()["image"], f"backref:{yaml.safe_load((CHART / 'Chart.yaml').read_text())['appVersion']}"),
    (m.container()["args"], ["serve"]),
])
gives("pod: image by tag", merged(UP, {"image": {"repository": "h:5/b", "tag": "x", "pullPolicy": "Always"}}), lambda m: [(m.container()["image"], "h:5/b:x"), (m.container()["imagePullPolicy"], "Always")])
gives("pod: image by digest", merged(UP, {"image": {"tag": "x", "digest": "sha256:" + "a" * 64}}), lambda m: [(m.container()["image"], "backref@sha256:" + "a" * 64)])
gives("pod: resources, and no limit of CPU", UP, lambda m: [(m.container()["resources"], {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}})])
for path, value, where in (
    ("imagePullSecrets", [{"name": "s"}], "imagePullSecrets"), ("nodeSelector", {"a": "b"}, "nodeSelector"),
    ("tolerations", [{"operator": "Exists"}], "tolerations"), ("affinity", {"nodeAffinity": {}}, "affinity"),
    ("priorityClassName", "high", "priorityClassName"),
    ("topologySpreadConstraints", [{"maxSkew": 2}], "topologySpreadConstraints"),
):
    gives(f"pod: {path}", merged(UP, {path: value}), lambda m, value=value, where=where: [(m.pod()[where], value)])
    if path != "topologySpreadConstraints":
        gives(f"pod: no {path} by itself", UP, lambda m, where=where: [(where in m.pod(), False)])
gives("pod: labels and annotations", merged(UP, {"podLabels": {"a": "b"}, "podAnnotations": {"c": "d"}, "commonLabels": {"e": "f"}}), lambda m: [
    (m.workload()["spec"]["template"]["metadata"]["labels"]["a"], "b"),
    (m.workload()["spec"]["template"]["metadata"]["annotations"]["c"], "d"),
    ({one["kind"]: one["metadata"]["labels"].get("e") for one in m.all if one["kind"] != "Pod"}, {one["kind"]: "f" for one in m.all if one["kind"] != "Pod"}),
    ("e" in m.workload()["spec"]["selector"]["matchLabels"], False),
])
gives("pod: variables, volumes and containers beside", merged(UP, {
    "extraEnv": [{"name": "A", "value": "b"}], "extraContainers": [{"name": "registry", "image": "registry:3"}],
    "extraVolumes": [{"name": "x", "emptyDir": {}}], "extraVolumeMounts": [{"name": "x", "mountPath": "/x"}],
}), lambda m: [
    (m.container()["env"][-1], {"name": "A", "value": "b"}), ([c["name"] for c in m.pod()["containers"]], ["backref", "registry"]),
    (m.pod()["volumes"][-1]["name"], "x"), (m.container()["volumeMounts"][-1]["mountPath"], "/x"),
])
gives("pod: commands find the settings", UP, lambda m: [(m.container()["env"][0], {"name": "BACKREF_CONFIG", "value": "/etc/backref/settings/backref.toml"})])

# ---- around it

gives("service: clients' port alone", UP, lambda m: [
    (m.one("Service")["spec"]["ports"], [{"name": "http", "port": PORT, "targetPort": "http"}]), (m.one("Service")["spec"]["type"], "ClusterIP"),
])
gives("service: NodePort", merged(UP, {"service": {"type": "NodePort", "nodePort": 30500, "externalTrafficPolicy": "Local"}}), lambda m: [
    (m.one("Service")["spec"]["ports"][0]["nodePort"], 30500), (m.one("Service")["spec"]["externalTrafficPolicy"], "Local"),
])
gives("service: a load balancer", merged(UP, {"service": {"type": "LoadBalancer", "port": 80, "annotations": {"a": "b"}, "loadBalancerSourceRanges": ["10.0.0.0/8"]}}), lambda m: [
    (m.one("Service")["spec"]["loadBalancerSourceRanges"], ["10.0.0.0/8"]), (m.one("Service")["spec"]["ports"][0]["port"], 80),
    (m.one("Service")["metadata"]["annotations"], {"a": "b"}),
])
gives("ingress: hosts and a certificate", merged(UP, {"ingress": {"enabled": True, "className": "nginx", "hosts": ["a.example", "b.example"], "tlsSecret": "cert", "annotations": {"cert-manager.io/cluster-issuer": "x"}}}), lambda m: [
    (m.one("Ingress")["spec"]["ingressClassName"], "nginx"), (m.one("Ingress")["spec"]["tls"], [{"secretName": "cert", "hosts": ["a.example", "b.example"]}]),
    ([r["host"] for r in m.one("Ingress")["spec"]["rules"]], ["a.example", "b.example"]),
    (m.one("Ingress")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"], {"name": "r-backref", "port": {"name": "http"}}),
    (m.one("Ingress")["metadata"]["annotations"], {"cert-manager.io/cluster-issuer": "x"}),
])
gives("ingress: without TLS", merged(UP, {"ingress": {"enabled": True, "hosts": ["a"]}}), lambda m: [("tls" in m.one("Ingress")["spec"], False), ("ingressClassName" in m.one("Ingress")["spec"], False)])
gives("route: of a Gateway", merged(UP, {"httpRoute": {"enabled": True, "parentRefs": [{"name": "g"}], "hostnames": ["a"], "annotations": {"x": "y"}}}), lambda m: [
    (m.one("HTTPRoute")["spec"]["parentRefs"], [{"name": "g"}]), (m.one("HTTPRoute")["spec"]["hostnames"], ["a"]),
    (m.one("HTTPRoute")["spec"]["rules"][0]["backendRefs"], [{"name": "r-backref", "port": PORT}]),
])
gives("account: one without a token", UP, lambda m: [
    (m.one("ServiceAccount")["automountServiceAccountToken"], False), (m.pod()["serviceAccountName"], "r-backref"),
])
gives("account: somebody else's", merged(UP, {"serviceAccount": {"create": False, "name": "theirs"}}), lambda m: [("ServiceAccount" in m.kinds(), False), (m.pod()["serviceAccountName"], "theirs")])
gives("account: the namespace's", merged(UP, {"serviceAccount": {"create": False}}), lambda m: [(m.pod()["serviceAccountName"], "default")])
gives("account: its name and annotations", merged(UP, {"serviceAccount": {"name": "n", "annotations": {"a": "b"}}}), lambda m: [(m.one("ServiceAccount")["metadata"]["name"], "n"), (m.one("ServiceAccount")["metadata"]["annotations"], {"a": "b"}), (m.pod()["serviceAccountName"], "n")])
gives("policy: clients from everywhere, health from the namespace", merged(UP, {"networkPolicy": {"enabled": True}}), lambda m: [
    (m.one("NetworkPolicy")["spec"]["policyTypes"], ["Ingress"]),
    (m.one("NetworkPolicy")["spec"]["ingress"], [{"ports": [{"port": PORT}]}, {"ports": [{"port": ADMIN}], "from": [{"podSelector": {}}]}]),
    (m.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"], m.one("Service")["spec"]["selector"]),
])
gives("policy: named clients and destinations", merged(UP, {"networkPolicy": {"enabled": True, "clients": [{"podSelector": {"matchLabels": {"a": "b"}}}], "monitoring": [{"namespaceSelector": {}}], "egress": [{"ports": [{"port": 5000}]}]}}), lambda m: [
    (m.one("NetworkPolicy")["spec"]["policyTypes"], ["Ingress", "Egress"]),
    (m.one("NetworkPolicy")["spec"]["ingress"][0]["from"], [{"podSelector": {"matchLabels": {"a": "b"}}}]),
    (m.one("NetworkPolicy")["spec"]["ingress"][1]["from"], [{"namespaceSelector": {}}]),
    (m.one("NetworkPolicy")["spec"]["egress"][1], {"ports": [{"port": 5000}]}),
    ([p["port"] for p in m.one("NetworkPolicy")["spec"]["egress"][0]["ports"]], [53, 53]),
    (m.one("NetworkPolicy")["spec"]["egress"][0]["to"][0]["namespaceSelector"]["matchLabels"], {"kubernetes.io/metadata.name": "kube-system"}),
])
WATCHED = merged(UP, {"metrics": {"serviceMonitor": {"enabled": True, "labels": {"p": "q"}}, "prometheusRule": {"enabled": True, "labels": {"p": "q"}}}, "networkPolicy": {"enabled": True}})
gives("metrics: probes, monitor and policy agree on one port", WATCHED, lambda m: [
    ([p["containerPort"] for p in m.container()["ports"] if p["name"] == "admin"], [ADMIN]),
    (m.one("Service", "r-backref-admin")["spec"]["ports"], [{"name": "admin", "port": ADMIN, "targetPort": "admin"}]),
    (m.one("ServiceMonitor")["spec"]["endpoints"][0]["port"], "admin"),
    (m.one("NetworkPolicy")["spec"]["ingress"][1]["ports"], [{"port": ADMIN}]),
    (int(m.settings()["admin"]["listen"].rsplit(":", 1)[1]), ADMIN),
    (m.one("ServiceMonitor")["spec"]["selector"]["matchLabels"].items() <= m.one("Service", "r-backref-admin")["metadata"]["labels"].items(), True),
    (m.one("ServiceMonitor")["spec"]["selector"]["matchLabels"].items() <= m.one("Service", "r-backref")["metadata"]["labels"].items(), False),
    (m.one("Service", "r-backref-admin")["spec"]["type"], "ClusterIP"),
])
gives("metrics: labels by which Prometheus finds them", WATCHED, lambda m: [(m.one(kind)["metadata"]["labels"]["p"], "q") for kind in ("ServiceMonitor", "PrometheusRule")])
ALERTS = {"upstreamDown": "BackrefUpstreamDown", "storeDown": "BackrefStoreDown", "errors": "BackrefErrors",
          "referrersTagsPending": "BackrefReferrersTagsPending", "unresolvedWrites": "BackrefUnresolvedWrites", "slowQueries": "BackrefSlowQueries",
          "certificateExpiry": "BackrefCertificateExpires",
          "availability": "BackrefAvailability", "descriptors": "BackrefDescriptors", "restarts": "BackrefRestarts"}


def alerts(m):
    """Each once: some have a rule for each of two windows."""
    return list(dict.fromkeys(rule["alert"] for rule in m.one("PrometheusRule")["spec"]["groups"][0]["rules"]))


gives("alerts: all of them", WATCHED, lambda m: [(alerts(m), list(ALERTS.values()))])
for switch, alert in ALERTS.items():
    gives(f"alerts: all but {alert}", merged(WATCHED, nested(f"metrics.prometheusRule.alerts.{switch}", False)), lambda m, alert=alert: [
        (alerts(m), [other for other in ALERTS.values() if other != alert]),
    ])


def metrics_exist():
    code = (ROOT / "src/metrics.rs").read_text()
    names = set(re.findall(r"backref_(\w+)", json.dumps(Made(WATCHED).one("PrometheusRule")["spec"]["groups"])))
    for name in names:
        plain = re.sub(r"_(total|bucket)$", "", name)
        assert f'"{plain}"' in code, f"backref_{name} is no metric"
    assert len(names) > 5, names


case("alerts: every metric in them exists", metrics_exist)
gives("alerts: no link by itself", WATCHED, lambda m: [("runbook_url" in json.dumps(m.one("PrometheusRule")), False)])
gives("alerts: each with a link to its page", merged(WATCHED, nested("metrics.prometheusRule.runbookUrl", "https://d/a/")), lambda m: [
    ({r["annotations"]["runbook_url"] for r in m.one("PrometheusRule")["spec"]["groups"][0]["rules"]}, {f"https://d/a/{alert}.md" for alert in ALERTS.values()}),
])
gives("dashboards: found by Grafana's sidecar", merged(UP, nested("metrics.dashboards.enabled", True)), lambda m: [
    (sorted(m.one("ConfigMap", "r-backref-dashboards")["data"]), ["backref-debug.json", "backref-overview.json"]),
    (m.one("ConfigMap", "r-backref-dashboards")["metadata"]["labels"]["grafana_dashboard"], "1"),
    ({json.loads(text)["uid"] for text in m.one("ConfigMap", "r-backref-dashboards")["data"].values()}, {"backref-debug", "backref-overview"}),
])
gives("dashboards: found by other labels", merged(UP, nested("metrics.dashboards", {"enabled": True, "labels": {"find": "me"}})), lambda m: [
    (m.one("ConfigMap", "r-backref-dashboards")["metadata"]["labels"]["find"], "me"),
])
for name in ("Ingress", "HTTPRoute", "NetworkPolicy", "ServiceMonitor", "PrometheusRule", "HorizontalPodAutoscaler"):
    gives(f"by itself there is no {name}", UP, lambda m, name=name: [(name in m.kinds(), False)])

# ---- TLS

TLS = merged(UP, {"tls": {"existingSecret": "cert"}})
tests = lambda m: next(one for one in m.all if one["kind"] == "Pod")["spec"]
gives("page: no token by itself", UP, lambda m: [("token_file" in m.settings()["admin"], False), ("page" in json.dumps(m.pod()), False)])
gives("page: the token of a Secret", merged(UP, {"page": {"tokenSecret": {"name": "ops", "key": "t"}}}), lambda m: [
    (m.settings()["admin"], {"listen": f"0.0.0.0:{ADMIN}", "token_file": "/etc/backref/page/t"}),
    ([v for v in m.pod()["volumes"] if v["name"] == "page"][0]["secret"], {"secretName": "ops", "defaultMode": 0o440}),
    ([v for v in m.container()["volumeMounts"] if v["name"] == "page"][0]["mountPath"], "/etc/backref/page"),
])
gives("tls: none by itself", UP, lambda m: [("tls" in m.settings(), False), ("appProtocol" in m.one("Service")["spec"]["ports"][0], False)])
gives("tls: the certificate of a Secret", TLS, lambda m: [
    (m.settings()["tls"], {"certificate": "/etc/backref/tls/tls.crt", "key": "/etc/backref/tls/tls.key"}),
    ([v for v in m.pod()["volumes"] if v["name"] == "tls"][0]["secret"], {"secretName": "cert", "defaultMode": 0o440}),
    ([v for v in m.container()["volumeMounts"] if v["name"] == "tls"][0]["mountPath"], "/etc/backref/tls"),
])
gives("tls: a folder, not a file of it, so that a renewed one comes in", TLS, lambda m: [("subPath" in json.dumps(m.workload()), False)])
gives("tls: Service, pod and Ingress say https", merged(TLS, {"ingress": {"enabled": True, "hosts": ["a"]}}), lambda m: [
    (m.one("Service")["spec"]["ports"], [{"name": "https", "port": PORT, "targetPort": "https", "appProtocol": "https"}]),
    ({port["name"]: port["containerPort"] for port in m.container()["ports"]}, {"https": PORT, "admin": ADMIN}),
    (m.one("Ingress")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"], {"name": "https"}),
])
gives("tls: probes stay at the admin listener, in the clear", TLS, lambda m: [
    ({m.container()[probe]["httpGet"]["port"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}, {"admin"}),
    ("scheme" in json.dumps(m.container()["livenessProbe"]), False),
])
gives("tls: certificates of clients", merged(TLS, {"tls": {"clientCaSecret": {"name": "ca", "key": "x.pem"}}, "config": {"tls": {"subject_header": "X-Client"}}}), lambda m: [
    (m.settings()["tls"]["client_ca"], "/etc/backref/client-ca/x.pem"), (m.settings()["tls"]["subject_header"], "X-Client"),
    ([v for v in m.pod()["volumes"] if v["name"] == "client-ca"][0]["secret"]["secretName"], "ca"),
    (any(one["kind"] == "Pod" for one in m.all), False),
])
gives("tls: the test asks by https", merged(TLS, {"tests": {"host": "refs.example", "caSecret": {"name": "cert"}}}), lambda m: [
    (tests(m)["containers"][0]["args"], ["probe", "--ca-file=/etc/ca/ca.crt", f"https://refs.example:{PORT}/backref-test"]),
    (tests(m)["volumes"], [{"name": "ca", "secret": {"secretName": "cert", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}]),
])
gives("tls: the test by the Service's name and the system's authorities", TLS, lambda m: [
    (tests(m)["containers"][0]["args"], ["probe", f"https://r-backref:{PORT}/backref-test"]), ("volumes" in tests(m), False),
])
gives("upstream: a certificate to show", merged(UP, {"upstream": {"certificateSecret": "own"}}), lambda m: [
    (m.settings()["upstream"]["certificate"], "/etc/backref/upstream-certificate/tls.crt"),
    (m.settings()["upstream"]["key"], "/etc/backref/upstream-certificate/tls.key"),
    ([v for v in m.pod()["volumes"] if v["name"] == "upstream-certificate"][0]["secret"]["secretName"], "own"),
])

# ---- names

gives("names: the release's and the chart's", UP, lambda m: [(m.workload()["metadata"]["name"], "r-backref")])
gives("names: not twice", UP, lambda m: [(m.workload()["metadata"]["name"], "my-backref")], release="my-backref")
gives("names: in place of the chart's", merged(UP, {"nameOverride": "refs"}), lambda m: [(m.workload()["metadata"]["name"], "r-refs"), (m.one("Service")["spec"]["selector"]["app.kubernetes.io/name"], "refs")])
gives("names: in place of both", merged(UP, {"fullnameOverride": "x"}), lambda m: [(m.workload()["metadata"]["name"], "x")])
gives("names: long ones are cut", UP, lambda m: [(len(m.workload()["metadata"]["name"]) <= 52, True)], release="r" * 53)
gives("test: with the chart's own image, as `restricted` asks", UP, lambda m: [
    (one["spec"]["containers"][0]["image"], m.container()["image"]) for one in m.all if one["kind"] == "Pod"
] + [
    (one["spec"]["containers"][0]["args"], ["probe", f"http://r-backref:{PORT}/backref-test"]) for one in m.all if one["kind"] == "Pod"
] + [
    (one["spec"]["containers"][0]["securityContext"], m.container()["securityContext"]) for one in m.all if one["kind"] == "Pod"
] + [(sum(one["kind"] == "Pod" for one in m.all), 1)])
gives("test: its labels are not the gateway's", UP, lambda m: [
    (m.one("Service")["spec"]["selector"].items() <= one["metadata"]["labels"].items(), False) for one in m.all if one["kind"] == "Pod"
])
gives("test: an account of its own", merged(UP, {"tests": {"repository": "a/b", "dockerConfigSecret": "s"}}), lambda m: [
    (one["spec"]["volumes"][0]["secret"]["secretName"], "s") for one in m.all if one["kind"] == "Pod"
])
case("nothing is installed where the chart is there for its template alone", lambda: render({"gateway": False}).stdout.strip() == "" or 1 / 0)
gives("sub-chart: what a parent gives, and anchors, are taken", merged(UP, {"global": {"a": 1}, "enabled": True, "x-anchor": [1]}), lambda m: [(m.workload()["kind"], "StatefulSet")])

# ---- refusals

refuses("no registry", {}, "upstream.url is not set")
refuses("a registry in two places", merged(UP, {"config": {"upstream": [{"url": "http://b"}]}}), "upstream.url and a list in config.upstream")
refuses("a registry with a password", {"upstream": {"url": "http://me:pw@registry"}}, "url")
refuses("a registry without a scheme", {"upstream": {"url": "registry:5000"}}, "url")
refuses("two replicas of a file", merged(UP, {"replicaCount": 2}), "replicaCount", "store.type to postgres")
refuses("a file that is scaled", merged(UP, {"autoscaling": {"enabled": True}}), "autoscaling.enabled", "store.type")
refuses("a database for a file", merged(UP, nested("store.postgres.url", "postgres://me@db/refs")), "store.postgres.url", "store.type to postgres")
refuses("a claim that isn't used", merged(UP, nested("store.sqlite", {"existingClaim": "x", "persistence": False})), "store.sqlite.existingClaim")
refuses("no database", merged(UP, nested("store.type", "postgres")), "store.postgres.url is not set")
refuses("a password in the database's URL", merged(UP, POSTGRES, nested("store.postgres.url", "postgres://me:pw@db/refs")), "url")
refuses("a password among its options", merged(UP, POSTGRES, nested("store.postgres.url", "postgres://me@db/refs?password=x")), "store.postgres.existingSecret")
refuses("two authorities", merged(UP, POSTGRES, nested("store.postgres", {"url": "postgres://me@db/refs?sslrootcert=/x", "caSecret": {"name": "ca"}})), "store.postgres.caSecret")
for setting, word in (("listen", "listenAddress"), ("admin", "fixed"), ("store", "store.type")):
    refuses(f"config.{setting}", merged(UP, {"config": {setting: "x"}}), f"config.{setting}", word)
for setting, word in (("url", "upstream.url"), ("name", "upstream.name"), ("ca_file", "upstream.caSecret"), ("certificate", "upstream.certificateSecret"), ("key", "upstream.certificateSecret")):
    refuses(f"config.upstream.{setting}", merged(UP, nested(f"config.upstream.{setting}", "x")), f"config.upstream.{setting}", word)
for setting, word in (("drain_delay", "drain.delaySeconds"), ("drain_timeout", "drain.timeoutSeconds")):
    refuses(f"config.limits.{setting}", merged(UP, nested(f"config.limits.{setting}", "1s")), f"config.limits.{setting}", word)
for setting, word in (("certificate", "tls.existingSecret"), ("key", "tls.existingSecret"), ("client_ca", "tls.clientCaSecret")):
    refuses(f"config.tls.{setting}", merged(UP, nested(f"config.tls.{setting}", "x")), f"config.tls.{setting}", word)
refuses("certificates of clients without TLS", merged(UP, nested("tls.clientCaSecret.name", "ca")), "tls.clientCaSecret", "tls.existingSecret")
refuses("one certificate for several registries", {"upstream": {"certificateSecret": "c"}, "config": {"upstream": [{"url": "http://b"}]}}, "upstream.certificateSecret")
refuses("a node's port of a ClusterIP", merged(UP, nested("service.nodePort", 30500)), "service.nodePort", "service.type")
refuses("a traffic policy of a ClusterIP", merged(UP, nested("service.externalTrafficPolicy", "Local")), "service.externalTrafficPolicy", "service.type")
refuses("source ranges of a ClusterIP", merged(UP, nested("service.loadBalancerSourceRanges", ["10.0.0.0/8"])), "service.loadBalancerSourceRanges")
refuses("an ingress of no host", merged(UP, nested("ingress.enabled", True)), "ingress.hosts")
refuses("a route of no Gateway", merged(UP, nested("httpRoute.enabled", True)), "httpRoute.parentRefs")
refuses("more at least than at most", merged(UP, POSTGRES, {"autoscaling": {"enabled": True, "minReplicas": 9}}), "autoscaling.minReplicas")
refuses("destinations without a policy", merged(UP, nested("networkPolicy.egress", [{}])), "networkPolicy.enabled")
for path, value in (
    ("upstream.uri", "x"), ("image.tags", "x"), ("stores", {}), ("store.type", "mysql"), ("image.pullPolicy", "Sometimes"), ("image.digest", "sha256:12"),
    ("service.type", "ExternalName"), ("service.port", 70000), ("service.port", "80"), ("replicaCount", -1), ("replicaCount", "two"),
    ("drain.delaySeconds", 700), ("ingress.enabled", "yes"), ("config", []), ("resources.limits.memory", 256), ("listenAddress", "::"),
    ("store.postgres.connections", 0), ("tests.repo", "x"), ("metrics.prometheusRule.alerts.other", True), ("serviceAccount.token", True),
):
    refuses(f"by the schema: {path} = {value!r}", merged(UP, nested(path, value)), path.rsplit(".", 1)[-1])

# ---- the chart as a whole

EVERYTHING = merged(WATCHED, POSTGRES, {"tls": {"existingSecret": "cert"}, "upstream": {"certificateSecret": "own"}, "replicaCount": 3, "ingress": {"enabled": True, "hosts": ["a"]}, "httpRoute": {"enabled": True, "parentRefs": [{"name": "g"}]}})


def twice_the_same():
    for values in (UP, EVERYTHING):
        assert render(values).stdout == render(values).stdout


def leaves(value, path=""):
    if isinstance(value, dict) and value:
        for key, one in value.items():
            yield from leaves(one, f"{path}.{key}" if path else key)
    else:
        yield path


def values_and_templates_agree():
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    known = set(leaves(values))
    assert len(known) <= 350, len(known)
    text = "".join(path.read_text() for path in sorted((CHART / "templates").rglob("*")) if path.is_file())
    # `$v` and `$rule` stand for values in the templates.
    text = text.replace("$rule.", ".Values.metrics.prometheusRule.").replace("$v.", ".Values.")
    used = set(re.findall(r"\.Values\.([A-Za-z][\w.]*\w)", text))
    is_used = lambda leaf: any(leaf == one or leaf.startswith(one + ".") for one in used)
    unused = sorted(leaf for leaf in known if not is_used(leaf))
    is_known = lambda one: any(leaf == one or leaf.startswith(one + ".") or one.startswith(leaf + ".") for leaf in known)
    unknown = sorted(one for one in used if not is_known(one))
    assert not unused and not unknown, f"never used: {unused}; never declared: {unknown}"


def lints():
    for values in (UP, EVERYTHING):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            json.dump(values, file)
            file.flush()
            ran = helm("lint", "--strict", "--kube-version", "1.34.0", str(CHART), "-f", file.name)
            assert ran.returncode == 0, ran.stdout + ran.stderr


def settings_are_known():
    """What the chart writes, the program takes."""
    binary = os.environ.get("BACKREF_BINARY")
    assert binary, "BACKREF_BINARY names no program"
    for values in (UP, EVERYTHING, merged(UP, {"config": {"gate": [{"repositories": ["prod/*"], "require": ["a/b"]}], "referrers": {"cosign_tags": True}}})):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(Made(values).one("ConfigMap")["data"]["backref.toml"])
            file.flush()
            ours = {name: value for name, value in os.environ.items() if not name.startswith("BACKREF_")}
            ran = subprocess.run([binary, "config", "check", "--config", file.name], capture_output=True, text=True, env=ours)
            assert ran.returncode == 0, ran.stdout + ran.stderr


def sidecar():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["cp", "-r", str(ROOT / "helm"), folder + "/helm"], check=True)
        chart = pathlib.Path(folder) / "helm/examples/registry"
        ran = helm("dependency", "build", str(chart))
        assert ran.returncode == 0, ran.stderr
        made = Made({}, "reg", chart)
        assert made.kinds() == ["Service", "StatefulSet"], made.kinds()
        beside = made.pod()["initContainers"][0]
        assert beside["restartPolicy"] == "Always" and beside["name"] == "backref", beside
        assert {"name": "BACKREF_UPSTREAM", "value": "http://127.0.0.1:5000"} in beside["env"]
        assert made.one("Service")["spec"]["ports"][0]["targetPort"] == "http-backref"


def generated():
    ran = subprocess.run([str(ROOT / "helm/generate"), "--check"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


case("rendered twice, it is the same", twice_the_same)
case("every value is used, and every used value declared", values_and_templates_agree)
case("helm lint", lints)
case("the settings are those that backref knows", settings_are_known)
case("the sidecar in a registry's own chart", sidecar)
case("schema and table are made from values.yaml", generated)

print(f"\n{passed} passed, {failed} failed")
sys.exit(failed > 0)
