"""`hilir doctor`."""

from __future__ import annotations

import click

from hilir.pipeline.cli.options import overlay_option, set_option


@click.command()
@click.argument("config", required=False)
@overlay_option
@set_option
def doctor(config: str | None, overlays: tuple[str, ...], settings: tuple[str, ...]) -> int:
    """Check this machine, and what a configuration refers to.

    Without CONFIG it is the one YAML file of the current folder that has model.package, if there is one. Each line of
    the output is 'ok', or has the command that fixes the fault.
    """
    from hilir.pipeline.clean.clean import check_use
    from hilir.pipeline.config import load
    from hilir.pipeline.config.project import enter_project
    from hilir.pipeline.engine.beam_options import list_run_options
    from hilir.pipeline.report.finding import Finding
    from hilir.pipeline.report.output_capture import reserved
    from hilir.pipeline.run.checks import check_config
    from hilir.pipeline.run.doctor import check_beam, check_host
    from hilir.pipeline.run.package_check import check_import, check_sources
    from hilir.serving.projects import find_configs

    # First: what hides a package here would spoil the other checks.
    enter_project()
    found = [] if config is not None else [str(path) for path in find_configs()]
    config = found[0] if len(found) == 1 else config
    loaded = load(config, overlays, settings) if config is not None else None
    findings = [*check_host()]
    if loaded is None or loaded.config.beam.runner not in ("local", "multiprocess"):
        findings.append(check_beam())
    else:
        findings.append(check_beam(list_run_options(loaded.config)))
    if loaded is not None:
        findings += check_config(loaded.config)
        findings += check_sources(loaded.config)
        # What cannot be found is not imported.
        if all(finding.ok for finding in findings):
            with reserved():
                findings += check_import(loaded.config)
                findings.append(check_use(loaded.config))
    if len(found) > 1:
        advice = "none is checked; name one of them, as in"
        findings.append(Finding("configuration", f"{', '.join(found)}: {advice} 'hilir doctor {found[0]}'"))
    elif config is not None:
        findings.append(Finding("configuration", config))
    for finding in findings:
        mark = click.style("ok", fg="green") if finding.ok else click.style("!!", fg="red")
        remedy = f"\n      → {finding.remedy}" if finding.remedy else ""
        click.echo(f"{mark}    {finding.what}: {finding.fact}{remedy}")
    wrong = sum(not finding.ok for finding in findings)
    click.echo(f"{wrong} to fix" if wrong else "everything is ok")
    return 3 if wrong else 0
