"""Checks what the files of deploy/ say about the same thing in different places."""

import re
import tomllib
from pathlib import Path

import yaml

root = Path(__file__).parents[2]
text = {path.name: path.read_text() for path in (root / "deploy").iterdir()}


def seconds(time):
    number, unit = re.fullmatch(r"(\d+)(s|min|m)", time).groups()
    return int(number) * (1 if unit == "s" else 60)


def one(pattern, file):
    """What the group of a pattern matches, which has to be once in the file."""
    (found,) = re.findall(pattern, text[file], re.MULTILINE)
    return found


# After SIGTERM a replica has its drain times, and something on top to close connections and leave the store.
MARGIN = 5
noticed = int(one(r"inter (\d+)s", "haproxy.cfg")) * int(one(r"fall (\d+)", "haproxy.cfg"))
objects = {document["kind"]: document for document in yaml.safe_load_all(text["kubernetes.yaml"])}
settings = tomllib.loads(objects["ConfigMap"]["data"]["sessions.toml"])
pod = objects["Deployment"]["spec"]["template"]["spec"]
(container,) = pod["containers"]
stops = {
    "session-mcp.service": (
        one(r"SESSION_MCP_DRAIN_DELAY=(\S+)", "session-mcp.service"),
        one(r"SESSION_MCP_DRAIN_TIMEOUT=(\S+)", "session-mcp.service"),
        seconds(one(r"^TimeoutStopSec=(\S+)", "session-mcp.service")),
    ),
    "kubernetes.yaml": (settings["drain_delay"], settings["drain_timeout"], pod["terminationGracePeriodSeconds"]),
}
for file, (delay, timeout, patience) in stops.items():
    least = seconds(delay) + seconds(timeout) + MARGIN
    assert patience >= least, f"{file}: a replica is killed after {patience} s and may need {least} s to end"
    assert seconds(delay) > noticed, f"{file}: HAProxy takes {noticed} s to notice, and the drain delay is {delay}"

readiness = container["readinessProbe"]
noticed = readiness["periodSeconds"] * readiness["failureThreshold"]
assert seconds(settings["drain_delay"]) > noticed, f"kubernetes.yaml: the probe takes {noticed} s to notice"

# What one object calls another.
labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
assert objects["Service"]["spec"]["selector"].items() <= labels.items(), "the Service selects other pods"
assert objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"].items() <= labels.items(), "as does the budget"
assert pod["volumes"][0]["configMap"]["name"] == objects["ConfigMap"]["metadata"]["name"]
assert pod["enableServiceLinks"] is False, "the Service's name becomes variables that the program refuses"
assert settings["http"].endswith(f":{container['ports'][0]['containerPort']}")

image = one(r"^FROM rust:(\d+\.\d+)-", "Dockerfile")
declared = tomllib.loads((root / "Cargo.toml").read_text())["workspace"]["package"]["rust-version"]
assert image == declared, f"Dockerfile: it builds with Rust {image}, and the workspace declares {declared}"

print("deploy/: drain times, names, ports and versions agree")
