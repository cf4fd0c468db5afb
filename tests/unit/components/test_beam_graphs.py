"""Beam's answers from memory equal those that Beam finds each time."""

from __future__ import annotations

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import (
    DebugOptions,
    DirectOptions,
    PipelineOptions,
    StandardOptions,
    TypeOptions,
    WorkerOptions,
)
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms import core, userstate
from apache_beam.transforms.userstate import BagStateSpec, CombiningValueStateSpec, TimerSpec, on_timer

from hilir.components import beam_graphs

VIEWS = (StandardOptions, TypeOptions, DirectOptions, DebugOptions, WorkerOptions)
FLAGS = ["--runner=FnApiRunner", "--direct_num_workers=3", "--experiments=a", "--experiments=b", "--unknown=1"]


@pytest.mark.parametrize("kind", VIEWS)
@pytest.mark.parametrize("flags", [[], FLAGS])
def test_a_view_has_the_values_that_beam_gives_it(kind, flags):
    expected = beam_graphs._view_as(PipelineOptions(flags), kind).get_all_options()
    assert beam_graphs.view_as(PipelineOptions(flags), kind).get_all_options() == expected
    # Now from memory.
    assert beam_graphs.view_as(PipelineOptions(flags), kind).get_all_options() == expected


def test_what_one_pipeline_changes_no_other_one_sees():
    first, second = PipelineOptions(FLAGS), PipelineOptions(FLAGS)
    beam_graphs.view_as(first, DebugOptions).experiments.append("c")
    beam_graphs.view_as(first, StandardOptions).runner = "Other"
    assert beam_graphs.view_as(first, DebugOptions).experiments == ["a", "b", "c"]
    assert beam_graphs.view_as(first, StandardOptions).runner == "Other"
    assert beam_graphs.view_as(second, DebugOptions).experiments == ["a", "b"]
    assert beam_graphs.view_as(second, StandardOptions).runner == "FnApiRunner"


def test_a_value_set_before_the_view_stays():
    options = PipelineOptions(FLAGS, direct_num_workers=5)
    assert beam_graphs.view_as(options, DirectOptions).direct_num_workers == 5


SEEN = beam.DoFn.StateParam(BagStateSpec("seen", beam.coders.VarIntCoder()))
TOTAL = beam.DoFn.StateParam(CombiningValueStateSpec("total", combine_fn=sum))


class Stateful(beam.DoFn):
    def process(self, element, seen=SEEN):
        yield element


class Timed(beam.DoFn):
    TIMER = TimerSpec("timer", beam.TimeDomain.WATERMARK)
    PARAMETER = beam.DoFn.TimerParam(TIMER)

    def process(self, element, timer=PARAMETER):
        yield element

    @on_timer(TIMER)
    def fire(self, total=TOTAL):
        yield 0


class Plain(beam.DoFn):
    def process(self, element, stamp=beam.DoFn.TimestampParam, factor=2):
        yield element


def add(element, more, factor=3):
    return element + more * factor


def _of_function(function):
    return beam.ParDo(beam.transforms.core.CallableWrapperDoFn(function)).fn


@pytest.mark.parametrize(
    "do_fn",
    [
        Plain(),
        Stateful(),
        Timed(),
        _of_function(add),
        _of_function(lambda element, window=beam.DoFn.WindowParam: element),
        _of_function(lambda element, seen=SEEN: element),
        _of_function(len),
        _of_function("text".startswith),
    ],
)
def test_arguments_state_and_timers_are_those_that_beam_finds(do_fn):
    expected = beam_graphs._read_specs(do_fn)
    assert beam_graphs.read_specs(do_fn) == expected
    assert beam_graphs.read_specs(do_fn) == expected
    for function in (do_fn.process, do_fn._process_argspec_fn(), type(do_fn).process):
        arguments = beam_graphs._read_arguments(function)
        assert beam_graphs.read_arguments(function) == arguments
        beam_graphs.read_arguments(function)[0].append("changed by a caller")
        assert beam_graphs.read_arguments(function) == arguments


@pytest.fixture
def remembering(monkeypatch):
    monkeypatch.setattr(PipelineOptions, "view_as", PipelineOptions.view_as)
    monkeypatch.setattr(core, "get_function_args_defaults", core.get_function_args_defaults)
    monkeypatch.setattr(userstate, "get_dofn_specs", userstate.get_dofn_specs)
    beam_graphs.remember_answers()
    beam_graphs.remember_answers()


def test_a_pipeline_runs_as_before(remembering):
    with beam.Pipeline(argv=["--runner=FnApiRunner"]) as pipeline:
        rows = pipeline | beam.Create([1, 2, 3, 4])
        total = rows | beam.CombineGlobally(sum)
        added = rows | beam.Map(add, beam.pvalue.AsSingleton(total))
        keyed = added | beam.Map(lambda value: (value % 2, value)).with_output_types(tuple[int, int])
        assert_that(keyed | beam.ParDo(Stateful()), equal_to([(0, 32), (0, 34), (1, 31), (1, 33)]))
