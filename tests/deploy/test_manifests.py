"""What is deployed fits what the code is: Kubernetes' manifests, Prometheus, the dashboard."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

from harken.config import check
from serve.graph_settings import GraphSettings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def locked(name: str) -> str:
    lines = (ROOT / "requirements" / "lock-py311.txt").read_text(encoding="utf-8").splitlines()
    return next(line.removeprefix(f"{name}==") for line in lines if line.startswith(f"{name}=="))


def containers(group: dict[str, Any]) -> list[dict[str, Any]]:
    return group["template"]["spec"]["containers"]


def test_the_production_configuration_is_one_that_serve_and_the_graph_accept():
    config = read(ROOT / "serve" / "config.yaml")
    schema = ServeDeploySchema(**config)
    (application,) = schema.applications
    module, _, name = application.import_path.partition(":")
    assert (ROOT / module.replace(".", "/")).with_suffix(".py").is_file()
    assert name == "application"
    settings = check(application.args, GraphSettings, "serve/config.yaml")
    limits = settings.service.limits
    assert config["http_options"]["request_timeout_s"] > settings.service.request_seconds + limits.upload_seconds
    assert config["http_options"]["host"] == settings.service.listen.host
    assert settings.service.access.anonymous == "never"
    # A replica that ends must be given the time that a request may take.
    for replicas in (settings.ingress, settings.transcriber.replicas):
        assert replicas.drain_seconds > settings.service.request_seconds


def test_kubernetes_serves_what_the_configuration_says():
    service = read(DEPLOY / "rayservice.yaml")
    assert (service["apiVersion"], service["kind"]) == ("ray.io/v1", "RayService")
    assert yaml.safe_load(service["spec"]["serveConfigV2"]) == read(ROOT / "serve" / "config.yaml")


@pytest.mark.parametrize(
    ("file", "kind", "key"),
    [("rayservice.yaml", "RayService", "rayClusterConfig"), ("rayjob.yaml", "RayJob", "rayClusterSpec")],
)
def test_clusters_are_of_the_locked_ray_ask_for_a_token_and_share_a_volume(file, kind, key):
    manifest = read(DEPLOY / file)
    assert manifest["kind"] == kind
    cluster = manifest["spec"][key]
    assert cluster["rayVersion"] == locked("ray")
    assert cluster["authOptions"] == {"mode": "token"}
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        volumes = {volume["name"] for volume in group["template"]["spec"]["volumes"]}
        for container in containers(group):
            assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"]
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes
            assert any(mount["mountPath"] == "/data" for mount in container["volumeMounts"])
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


def test_a_worker_has_room_for_the_least_replicas():
    settings = check(read(ROOT / "serve" / "config.yaml")["applications"][0]["args"], GraphSettings, "args")
    (group,) = read(DEPLOY / "rayservice.yaml")["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    cpus = float(containers(group)[0]["resources"]["requests"]["cpu"])
    shards = settings.glossary.shards * settings.glossary.replicas.least * settings.glossary.replicas.cpus
    others = (settings.ingress, settings.transcriber.replicas)
    assert shards + sum(one.least * one.cpus for one in others) + settings.builds.cpus <= cpus
    transcribers = settings.transcriber.replicas
    assert transcribers.least * transcribers.gpus <= 1


def test_the_job_is_one_of_ours_and_its_settings_are_known():
    entrypoint = read(DEPLOY / "rayjob.yaml")["spec"]["entrypoint"]
    module = re.search(r"-m (\S+)", entrypoint)[1]
    assert (ROOT / module.replace(".", "/")).with_suffix(".py").is_file()
    from harken.config import load_config
    from harken.glossary_settings import GlossarySettings

    overrides = re.findall(r"--set (\S+)", entrypoint)
    assert load_config(ROOT / "configs" / "glossary.yaml", overrides, GlossarySettings).resources.encoder_gpus == 0.25


def test_the_image_is_of_the_locked_ray_and_installs_the_lock():
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert f"rayproject/ray:{locked('ray')}-py311" in text
    assert "requirements/lock-py311.txt" in text


def test_prometheus_scrapes_rays_nodes_and_the_http_face():
    jobs = {job["job_name"]: job for job in read(DEPLOY / "prometheus.yaml")["scrape_configs"]}
    assert jobs["ray"]["file_sd_configs"][0]["files"] == ["/tmp/ray/prom_metrics_service_discovery.json"]
    assert jobs["harken"]["metrics_path"] == "/metrics"
    assert "kubernetes_sd_configs" in jobs["ray-kubernetes"]


def test_the_dashboard_draws_figures_that_there_are():
    replicas = (ROOT / "serve" / "replicas" / "figures.py").read_text(encoding="utf-8")
    face = (ROOT / "serve" / "metrics.py").read_text(encoding="utf-8")
    known = {f"ray_{name}" for name in re.findall(r'"(harken_\w+)"', replicas)}
    known |= {f"harken_{name}" for name in re.findall(r'(?:Counter|Gauge|Histogram)\(\s*"(\w+)"', face)}
    known |= {"ray_serve_deployment_queued_queries", "ray_serve_deployment_replica_healthy"}
    dashboard = json.loads((DEPLOY / "grafana.json").read_text(encoding="utf-8"))
    drawn = set()
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            drawn |= set(re.findall(r"\b(?:ray_)?(?:harken|serve)_\w+", target["expr"]))
    plain = {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in drawn}
    assert plain <= known
    places = [tuple(panel["gridPos"].values()) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places) >= 12
