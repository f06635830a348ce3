"""The command line: the operator, and tools that need no cluster. Each option of `run` has a MODELROLLOUT_ variable.

Heavy imports are inside the commands, so that --help and completion answer at once.
"""

import asyncio
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import Annotated, Any

import typer

from modelrollout.api.spec import ServiceType
from modelrollout.cli.judging import judge, selftest
from modelrollout.cli.loading import load
from modelrollout.cli.models import WHOLE_LINE, bundle, check
from modelrollout.cli.planning import plan
from modelrollout.cli.simulating import simulate
from modelrollout.settings import DEFAULT_SERVER_IMAGE, LogFormat, ScrapeVia, Settings

app = typer.Typer(
    help="Rolls machine-learning models out safely on Kubernetes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def main() -> None:
    """Rolls machine-learning models out safely on Kubernetes."""


@app.command()
def run(  # noqa: PLR0917  # typer hands options over by name
    namespace: Annotated[
        list[str] | None,
        typer.Option(
            help="Namespace to look after; may be given again. All where left out.", envvar="MODELROLLOUT_NAMESPACE"
        ),
    ] = None,
    server_image: Annotated[
        str, typer.Option(help="Serving image for specs that name none.", envvar="MODELROLLOUT_SERVER_IMAGE")
    ] = DEFAULT_SERVER_IMAGE,
    scrape: Annotated[
        ScrapeVia,
        typer.Option(
            help="Reach pods at their addresses, or through the API server from outside.", envvar="MODELROLLOUT_SCRAPE"
        ),
    ] = ScrapeVia.DIRECT,
    host: Annotated[
        str, typer.Option(help="Address of /metrics, /healthz and /readyz.", envvar="MODELROLLOUT_HOST")
    ] = "0.0.0.0",  # noqa: S104  # probes and Prometheus come from outside the pod
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of /metrics, /healthz and /readyz.", envvar="MODELROLLOUT_PORT")
    ] = 8085,
    kubeconfig: Annotated[
        str, typer.Option(help="Kubeconfig file. In a cluster: the service account.", envvar="MODELROLLOUT_KUBECONFIG")
    ] = "",
    context: Annotated[str, typer.Option(help="Context in the kubeconfig.", envvar="MODELROLLOUT_CONTEXT")] = "",
    lease: Annotated[
        str,
        typer.Option(
            help="Lease (namespace/name) by which replicas take turns. Without one: alone.", envvar="MODELROLLOUT_LEASE"
        ),
    ] = "",
    service_type: Annotated[
        list[str] | None,
        typer.Option(
            help="Type of Service that specs may ask for; may be given again. ClusterIP alone where left out.",
            envvar="MODELROLLOUT_SERVICE_TYPE",
        ),
    ] = None,
    service_annotation: Annotated[
        list[str] | None,
        typer.Option(
            help="Annotation that Services may get from specs, such as prometheus.io/*; may be given again.",
            envvar="MODELROLLOUT_SERVICE_ANNOTATION",
        ),
    ] = None,
    registry: Annotated[
        list[str] | None,
        typer.Option(
            help="Model registry that specs may name, as NAME=URL; may be given again.", envvar="MODELROLLOUT_REGISTRY"
        ),
    ] = None,
    registry_secrets: Annotated[
        str,
        typer.Option(
            help="Folder with a folder of credentials for each registry.", envvar="MODELROLLOUT_REGISTRY_SECRETS"
        ),
    ] = "",
    registry_seconds: Annotated[
        float,
        typer.Option(
            min=1, max=86_400, help="Seconds between requests for an alias.", envvar="MODELROLLOUT_REGISTRY_SECONDS"
        ),
    ] = 30.0,
    registry_job_seconds: Annotated[
        float,
        typer.Option(
            min=1,
            max=86_400,
            help="Seconds between Jobs for an alias of a namespace's own registry.",
            envvar="MODELROLLOUT_REGISTRY_JOB_SECONDS",
        ),
    ] = 120.0,
    replica: Annotated[str, typer.Option(help="Name of this replica: its pod's.", envvar="POD_NAME")] = "",
    log_format: Annotated[
        LogFormat, typer.Option(help="JSON lines or plain text.", envvar="MODELROLLOUT_LOG_FORMAT")
    ] = LogFormat.JSON,
    strata_log: Annotated[
        str,
        typer.Option(
            help="Folder for logs of strata, which `judge` reads; none where left out.",
            envvar="MODELROLLOUT_STRATA_LOG",
        ),
    ] = "",
) -> None:
    """Run the operator until it is told to stop."""
    settings = _settings(
        namespaces=tuple(namespace or ()),
        server_image=server_image,
        scrape_via=scrape,
        host=host,
        port=port,
        kubeconfig=kubeconfig,
        context=context,
        strata_log=strata_log,
        lease=lease,
        replica=replica,
        service_types=tuple(service_type or (ServiceType.CLUSTER_IP,)),
        service_annotations=tuple(service_annotation or ()),
        registries=tuple(registry or ()),
        registry_secrets=registry_secrets,
        registry_seconds=registry_seconds,
        registry_job_seconds=registry_job_seconds,
    )
    raise typer.Exit(_operate(settings, log_format))


@app.command()
def version() -> None:
    """Print the version."""
    try:
        typer.echo(version_of("modelrollout"))
    except PackageNotFoundError:
        typer.echo("unknown: run from source, not installed")


@app.command()
def crd() -> None:
    """Print the CustomResourceDefinition, for kubectl apply --server-side -f -."""
    from modelrollout.api.crd import render  # noqa: PLC0415

    typer.echo(render(), nl=False)


def _settings(**given: Any) -> Settings:  # noqa: ANN401  # checked by the model
    try:
        return Settings(**given)
    except ValueError as error:
        said = str(error).partition("Value error, ")[2].partition(" [")[0] or str(error)
        raise typer.BadParameter(said) from error


def _operate(settings: Settings, log_format: LogFormat) -> int:
    from modelrollout import logs  # noqa: PLC0415  # --help answers at once
    from modelrollout.kube.errors import KubeError  # noqa: PLC0415
    from modelrollout.shell.collector import collect_seldom  # noqa: PLC0415
    from modelrollout.shell.operator import operate  # noqa: PLC0415
    from modelrollout.shell.server import CannotListen  # noqa: PLC0415

    logs.configure(log_format)
    collect_seldom()
    try:
        return int(asyncio.run(operate(settings)))
    except (KubeError, CannotListen) as error:
        typer.echo(f"error: {error}", err=True)
        return 1


app.command()(judge)
app.command()(selftest)
app.command()(plan)
app.command()(simulate)
app.command()(load)
app.command(context_settings=WHOLE_LINE)(bundle)
app.command(context_settings=WHOLE_LINE)(check)
