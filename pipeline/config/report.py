"""The report of a run, and what only people know of a model."""

from __future__ import annotations

from hilir.components.settings import Section


class ReportSection(Section):
    """The report of a run; `rows`: whether it lists the rows that the model is most wrong on."""

    rows: bool


class CardSection(Section):
    """What the model card says besides figures (Mitchell et al. 2019, Model Cards for Model Reporting)."""

    owner: str | None
    intended_use: str | None
    out_of_scope: str | None
    limitations: str | None
    licence: str | None

    def as_setting(self) -> dict[str, dict[str, str]]:
        """Returns `{card: …}` with what is given; nothing where nothing is, and the pipeline is as without."""
        given: dict[str, str] = self.model_dump(exclude_none=True)
        return {"card": given} if given else {}
