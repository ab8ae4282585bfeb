"""Checks that the manifests fit together; prints the configuration file, and writes the secrets to the folder given."""

import pathlib
import sys

import yaml

here = pathlib.Path(__file__).parent
found = {}
for path in sorted(here.glob("*.yaml")):
    for document in yaml.safe_load_all(path.read_text()):
        for key in ("apiVersion", "kind", "metadata"):
            assert key in document, f"{path.name}: no {key}"
        found[document["kind"], document["metadata"]["name"]] = document


def need(kind, name):
    assert (kind, name) in found, f"no {kind} named {name}"
    return found[kind, name]


deployment = need("Deployment", "dcv-agent")["spec"]
assert deployment["replicas"] == 1 and deployment["strategy"]["type"] == "Recreate", "two pods could run at once"
template = deployment["template"]
labels = deployment["selector"]["matchLabels"].items()
assert labels <= template["metadata"]["labels"].items(), "the selector does not select the pods"

pod = template["spec"]
assert pod["automountServiceAccountToken"] is False, "a service account's token is mounted"
security = pod["securityContext"]
assert security["runAsNonRoot"] is True and security["runAsUser"] == 65532, "the pod may run as root"
assert security["seccompProfile"]["type"] == "RuntimeDefault", "no seccomp profile"

(container,) = pod["containers"]
security = container["securityContext"]
assert security["readOnlyRootFilesystem"] is True, "the root is writable"
assert security["allowPrivilegeEscalation"] is False, "privileges may grow"
assert security["capabilities"] == {"drop": ["ALL"]}, "capabilities are kept"

sidecar = need("Deployment", "app-with-dcv-agent")["spec"]
assert sidecar["replicas"] == 1 and sidecar["strategy"]["type"] == "Recreate", "two sidecars could run at once"
(beside,) = sidecar["template"]["spec"]["initContainers"]
assert beside.pop("restartPolicy") == "Always", "the sidecar ends before the application starts"
assert beside == container, "the sidecar's container differs from the deployment's"
for shared in ("securityContext", "volumes", "automountServiceAccountToken"):
    assert sidecar["template"]["spec"][shared] == pod[shared], f"the sidecar's {shared} differ from the deployment's"

replicas = need("Deployment", "dcv-agent-replicas")["spec"]
assert replicas["replicas"] > 1 and replicas["strategy"]["type"] == "RollingUpdate", "replicas are replaced all at once"
labels = replicas["selector"]["matchLabels"]
assert labels.items() <= replicas["template"]["metadata"]["labels"].items(), "the selector does not select the replicas"
budget = need("PodDisruptionBudget", "dcv-agent-replicas")["spec"]
assert budget["selector"]["matchLabels"] == labels, "the budget is of other pods"
assert 0 < budget["minAvailable"] < replicas["replicas"], "the budget keeps no replica, or every node"
(replica,) = replicas["template"]["spec"]["containers"]
shared = {variable["name"]: variable["value"] for variable in replica.pop("env")}
without_state = dict(container, volumeMounts=[mount for mount in container["volumeMounts"] if mount["name"] != "state"])
assert replica == without_state, "a replica's container differs from the deployment's in more than its state"
assert shared["DCV_AGENT__AGENT__STATE"].startswith("postgres://"), "replicas do not share a state"

ports = {port["name"]: port["containerPort"] for port in container["ports"]}
for probe, page in {"livenessProbe": "/healthz", "readinessProbe": "/readyz", "startupProbe": "/healthz"}.items():
    get = container[probe]["httpGet"]
    assert get["path"] == page and get["port"] in ports, f"{probe} does not ask for {page}"

volumes = {volume["name"]: volume for volume in pod["volumes"]}
for mount in container["volumeMounts"]:
    volume = volumes.pop(mount["name"])
    if "configMap" in volume:
        config = need("ConfigMap", volume["configMap"]["name"])["data"]
        assert container["args"] == ["--config", f"{mount['mountPath']}/config.toml"], "the file is mounted elsewhere"
    elif "secret" in volume:
        secrets = need("Secret", volume["secret"]["secretName"])["stringData"]
        mounted = mount["mountPath"]
    else:
        need("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
        state = mount["mountPath"]
assert not volumes, f"not mounted: {', '.join(volumes)}"

text = config["config.toml"]
assert f"0.0.0.0:{ports['http']}" in text, "the agent does not listen where the probes ask"
assert f"sqlite://{state}/" in text, "the state is not kept in the volume"
folder = pathlib.Path(sys.argv[1])
told = text + " ".join(shared.values())
for name, value in secrets.items():
    assert f"{mounted}/{name}" in told, f"nobody reads the secret {name}"
    (folder / name).write_text(value)
(folder / "environment").write_text(
    "".join(f"{name}={value.replace(f'{mounted}/', f'{folder}/')}\n" for name, value in shared.items())
)
print(text.replace(f"{mounted}/", f"{folder}/"))
