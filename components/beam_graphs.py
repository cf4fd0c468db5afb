"""Makes Beam build its graphs faster: what it asks of the same code again and again is answered from memory.

While a graph of TensorFlow Transform is made and run, Beam builds the parser of each class of options a thousand times,
and reads the signatures of the methods of each DoFn some fifty times; both together are a seventh of a small run
(benchmarks/RESULTS.md). Neither answer can change: the one follows from the class and the flags, the other from the
function. The functions replaced are Beam's own, which are called where there is no answer yet.
"""

from __future__ import annotations

import copy
from argparse import Namespace
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any
from weakref import WeakKeyDictionary

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms import core, userstate
from apache_beam.transforms.core import DoFn, _DoFnParam

Arguments = tuple[list[str], list[Any]]
Specs = tuple[set[Any], set[Any]]

_view_as = PipelineOptions.view_as
_read_arguments: Callable[[Any], Arguments] = core.get_function_args_defaults
_parsed: dict[tuple[type, tuple[str, ...]], Namespace] = {}
_functions: WeakKeyDictionary[FunctionType, Arguments] = WeakKeyDictionary()
_methods: WeakKeyDictionary[FunctionType, Arguments] = WeakKeyDictionary()
_read_specs: Callable[[DoFn], Specs] = userstate.get_dofn_specs
_plain: WeakKeyDictionary[type[DoFn], bool] = WeakKeyDictionary()


def remember_answers() -> None:
    """Replaces Beam's functions, in this process and those forked from it; calling it again changes nothing."""
    PipelineOptions.view_as = view_as
    core.get_function_args_defaults = read_arguments
    userstate.get_dofn_specs = read_specs


def view_as(options: PipelineOptions, kind: type[PipelineOptions]) -> PipelineOptions:
    """Returns the options as an instance of the class, as `PipelineOptions.view_as` does."""
    flags = options._flags
    if flags is None:
        # Beam takes the command line of this process.
        return _view_as(options, kind)
    key = (kind, tuple(flags))
    if key not in _parsed:
        _parsed[key] = copy.deepcopy(kind(flags)._visible_options)
    view: PipelineOptions = object.__new__(kind)
    # A copy: options of several values are lists, to which their users append.
    found = copy.deepcopy(_parsed[key])
    for name, value in (("_flags", flags), ("_visible_options", found), ("_all_options", options._all_options)):
        object.__setattr__(view, name, value)
    for name in view._visible_option_list():
        options._all_options.setdefault(name, getattr(found, name))
    return view


def read_arguments(function: Any) -> Arguments:
    """Returns names and defaults of the arguments, as Beam's `get_function_args_defaults` does."""
    match function:
        case MethodType(__func__=FunctionType() as inner):
            known = _methods
        case FunctionType() as inner:
            known = _functions
        case _:
            return _read_arguments(function)
    if inner not in known:
        known[inner] = _read_arguments(function)
    names, defaults = known[inner]
    return list(names), list(defaults)


def read_specs(do_fn: DoFn) -> Specs:
    """Returns the specifications of state and timers, as Beam's `get_dofn_specs` does."""
    kind = type(do_fn)
    if kind not in _plain:
        others = {name for name in dir(kind) if isinstance(getattr(do_fn, name, None), MethodType)} - {"process"}
        _plain[kind] = not any(_takes_parameters(do_fn, name) for name in others)
    # What `process` takes may be up to the instance, and methods may be an instance's own.
    own = any(isinstance(value, MethodType) for value in vars(do_fn).values())
    if _plain[kind] and not own and not _takes_parameters(do_fn, "process"):
        return set(), set()
    return _read_specs(do_fn)


def _takes_parameters(do_fn: DoFn, method: str) -> bool:
    """Returns whether the method has arguments that Beam fills in, state and timers among them."""
    return any(isinstance(value, _DoFnParam) for value in core.get_function_arguments(do_fn, method)[1])
