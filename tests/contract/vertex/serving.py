"""Models with versions, endpoints with traffic, and predictions of the server."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from google.cloud import aiplatform_v1 as v1

from tests.contract.vertex.faults import ApiError, Fault, invalid, not_found
from tests.contract.vertex.jobs import JSON, find_version
from tests.contract.vertex.store import Store, apply_mask, canonical, check_common, dump, parse

MODEL_ID = re.compile(r"[a-z_][a-z0-9_-]{0,62}")
ENDPOINT_ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?|[1-9][0-9]{0,8}")
CHANGEABLE = {"traffic_split", "labels", "display_name", "predict_request_response_logging_config"}
ALIAS = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")


class Models:
    """The registry: a list of versions per model."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def upload(self, parent: str, query: JSON, body: Any, fault: Fault | None) -> JSON:
        request = parse(v1.UploadModelRequest, body)
        model = request.model
        check_common(model)
        if not model.display_name or not model.container_spec.image_uri:
            raise invalid("model.display_name and model.container_spec.image_uri are required.")
        for alias in model.version_aliases:
            if not ALIAS.fullmatch(alias):
                raise invalid(f"Invalid version alias {alias}.")
        files = self.store.local(model.artifact_uri)
        if not files.is_dir() or not any(files.iterdir()):
            raise invalid(f"There are no files under {model.artifact_uri}.")
        if request.parent_model:
            name = canonical(request.parent_model)
            if name not in self.store.all("models"):
                raise not_found(name)
        else:
            if request.model_id and not MODEL_ID.fullmatch(request.model_id):
                raise invalid(f"Invalid model_id {request.model_id}.")
            name = f"{canonical(parent)}/models/{request.model_id or self.store.number()}"
            if name in self.store.all("models"):
                raise ApiError(409, "ALREADY_EXISTS", f"Model {name} already exists.")

        def finish() -> Any:
            versions = self.store.all("models").setdefault(name, [])
            model.name = name
            model.supported_deployment_resources_types.append(v1.Model.DeploymentResourcesType.DEDICATED_RESOURCES)
            model.version_id = str(max((int(version.version_id) for version in versions), default=0) + 1)
            aliases = [*model.version_aliases, *([] if versions else ["default"])]
            self._free(versions, aliases)
            model.version_aliases[:] = sorted(set(aliases))
            versions.append(model)
            return _response(v1.UploadModelResponse, model=name, model_version_id=model.version_id)

        return self.store.operate(name, finish, *_ending(fault))

    def _free(self, versions: Any, aliases: Any) -> None:
        """An alias belongs to one version: others lose it."""
        for version in versions:
            version.version_aliases[:] = [alias for alias in version.version_aliases if alias not in aliases]

    def get(self, name: str, query: JSON, body: Any) -> JSON:
        return dump(find_version(self.store, name))

    def list(self, parent: str, query: JSON, body: Any) -> JSON:
        canonical(parent)
        return {"models": [dump(find_version(self.store, name)) for name in self.store.all("models")]}

    def list_versions(self, name: str, query: JSON, body: Any) -> JSON:
        versions = self.store.all("models").get(canonical(name))
        if versions is None:
            raise not_found(name)
        start, size = int(query.get("pageToken") or 0), 2
        more = {"nextPageToken": str(start + size)} if start + size < len(versions) else {}
        return {"models": [dump(version) for version in versions[start : start + size]], **more}

    def merge_aliases(self, name: str, query: JSON, body: Any) -> JSON:
        request = parse(v1.MergeVersionAliasesRequest, body)
        version = find_version(self.store, name)
        if "@" not in name or not name.rpartition("@")[2].isdigit():
            raise invalid("The version id must be explicit.")
        added = [alias for alias in request.version_aliases if not alias.startswith("-")]
        removed = [alias[1:] for alias in request.version_aliases if alias.startswith("-")]
        if "default" in removed:
            raise invalid("A model must have exactly one default version.")
        self._free(self.store.all("models")[version.name], added)
        kept = (set(version.version_aliases) | set(added)) - set(removed)
        version.version_aliases[:] = sorted(kept)
        return dump(version)

    def delete_version(self, name: str, query: JSON, body: Any, fault: Fault | None) -> JSON:
        version = find_version(self.store, name)
        if "default" in version.version_aliases:
            raise ApiError(400, "FAILED_PRECONDITION", "The default version cannot be deleted.")
        for endpoint in self.store.all("endpoints").values():
            for deployed in endpoint.deployed_models:
                if (deployed.model, deployed.model_version_id) == (version.name, version.version_id):
                    raise ApiError(400, "FAILED_PRECONDITION", f"The version is deployed on {endpoint.name}.")
        from google.protobuf.empty_pb2 import Empty

        def finish() -> Any:
            self.store.all("models")[version.name].remove(version)
            return Empty()

        return self.store.operate(name.partition("@")[0], finish, *_ending(fault))


class Endpoints:
    """Endpoints; each change of the traffic is kept, so that a test can see that it always sums to 100."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.splits: list[dict[str, int]] = []
        self.turns: Counter[str] = Counter()
        self.loaded: dict[str, Any] = {}

    def create(self, parent: str, query: JSON, body: Any, fault: Fault | None) -> JSON:
        endpoint = parse(v1.Endpoint, body)
        check_common(endpoint)
        if not endpoint.display_name or endpoint.deployed_models or endpoint.traffic_split:
            raise invalid("display_name is required; deployed_models and traffic_split must be empty.")
        identifier = query.get("endpointId") or self.store.number()
        if not ENDPOINT_ID.fullmatch(identifier):
            raise invalid(f"Invalid endpoint_id {identifier}.")
        name = f"{canonical(parent)}/endpoints/{identifier}"
        if name in self.store.all("endpoints"):
            raise ApiError(409, "ALREADY_EXISTS", f"Endpoint {name} already exists.")

        def finish() -> Any:
            self._touch(self.store.add("endpoints", name, endpoint))
            return endpoint

        return self.store.operate(name, finish, *_ending(fault))

    def get(self, name: str, query: JSON, body: Any) -> JSON:
        return dump(self.store.get("endpoints", name))

    def list(self, parent: str, query: JSON, body: Any) -> JSON:
        canonical(parent)
        return {"endpoints": [dump(endpoint) for endpoint in self.store.find("endpoints", query.get("filter", ""))]}

    def update(self, name: str, query: JSON, body: Any) -> JSON:
        endpoint, wanted = self.store.get("endpoints", name), parse(v1.Endpoint, body)
        if wanted.etag and wanted.etag != endpoint.etag:
            raise ApiError(409, "ABORTED", "The etag does not match; the Endpoint was changed.")
        if "trafficSplit" in query.get("updateMask", ""):
            self._check_split(endpoint, dict(wanted.traffic_split))
        apply_mask(endpoint, wanted, query.get("updateMask", ""), CHANGEABLE)
        self._touch(endpoint)
        return dump(endpoint)

    def deploy(self, name: str, query: JSON, body: Any, fault: Fault | None) -> JSON:
        request = parse(v1.DeployModelRequest, body)
        endpoint, deployed = self.store.get("endpoints", name), request.deployed_model
        version = find_version(self.store, deployed.model)
        machine = deployed.dedicated_resources
        if not machine.machine_spec.machine_type or machine.min_replica_count < 1:
            raise invalid("dedicated_resources need a machine_type and min_replica_count.")
        deployed.id = deployed.id or self.store.number()
        if not re.fullmatch(r"[0-9]{1,10}", deployed.id):
            raise invalid(f"Invalid deployed model id {deployed.id}.")
        if deployed.id in [present.id for present in endpoint.deployed_models]:
            raise ApiError(409, "ALREADY_EXISTS", f"DeployedModel {deployed.id} already exists.")
        split = {deployed.id if key == "0" else key: share for key, share in request.traffic_split.items()}

        def finish() -> Any:
            deployed.model, deployed.model_version_id = version.name, version.version_id
            deployed.create_time.GetCurrentTime()
            endpoint.deployed_models.append(deployed)
            if split:
                self._set_split(endpoint, split)
            self._touch(endpoint)
            return _response(v1.DeployModelResponse, deployed_model=deployed)

        return self.store.operate(name, finish, *_ending(fault))

    def undeploy(self, name: str, query: JSON, body: Any, fault: Fault | None) -> JSON:
        request = parse(v1.UndeployModelRequest, body)
        endpoint = self.store.get("endpoints", name)
        present = [deployed for deployed in endpoint.deployed_models if deployed.id == request.deployed_model_id]
        if not present:
            raise not_found(f"DeployedModel {request.deployed_model_id}")
        split = dict(request.traffic_split)
        if not split and endpoint.traffic_split.get(request.deployed_model_id):
            raise ApiError(400, "FAILED_PRECONDITION", "The DeployedModel has traffic; give a traffic_split.")

        def finish() -> Any:
            endpoint.deployed_models.remove(present[0])
            if split:
                self._set_split(endpoint, split)
            self._touch(endpoint)
            return _response(v1.UndeployModelResponse)

        return self.store.operate(name, finish, *_ending(fault))

    def predict(self, name: str, query: JSON, body: Any) -> JSON:
        """Answers as the SavedModel of one of the deployed versions, chosen in turn by its share."""
        endpoint = self.store.get("endpoints", name)
        if not endpoint.traffic_split:
            raise ApiError(400, "FAILED_PRECONDITION", "The Endpoint has no traffic.")
        turn = self.turns[endpoint.name] % 100
        # 37 is prime to 100: a hundred requests meet each place of the split once, and neighbours are far apart.
        self.turns[endpoint.name] += 37
        ordered = sorted(endpoint.traffic_split.items())
        key = next(
            key for number, (key, _) in enumerate(ordered) if turn < sum(share for _, share in ordered[: number + 1])
        )
        (deployed,) = [model for model in endpoint.deployed_models if model.id == key]
        version = find_version(self.store, f"{deployed.model}@{deployed.model_version_id}")
        answers = self._answer(version.artifact_uri, (body or {}).get("instances", []))
        return {
            "predictions": answers,
            "deployedModelId": key,
            "model": deployed.model,
            "modelVersionId": deployed.model_version_id,
        }

    def _answer(self, uri: str, instances: Any) -> Any:
        import tensorflow as tf

        if uri not in self.loaded:
            self.loaded[uri] = tf.saved_model.load(str(self.store.local(uri)))
        signature = self.loaded[uri].signatures["serving_default"]
        specs = signature.structured_input_signature[1]
        columns = {
            key: tf.constant(
                [instance[key] if isinstance(instance, dict) else instance for instance in instances], spec.dtype
            )
            for key, spec in specs.items()
        }
        ((_, output),) = signature(**columns).items()
        return output.numpy().tolist()

    def _check_split(self, endpoint: Any, split: dict[str, int]) -> None:
        ids = {deployed.id for deployed in endpoint.deployed_models}
        if set(split) - ids:
            raise invalid(f"The traffic split names {sorted(set(split) - ids)}, which are not deployed.")
        if split and (sum(split.values()) != 100 or min(split.values()) < 0):
            raise invalid(f"The traffic split {split} does not add up to 100.")

    def _set_split(self, endpoint: Any, split: dict[str, int]) -> None:
        self._check_split(endpoint, split)
        endpoint.ClearField("traffic_split")
        endpoint.traffic_split.update(split)

    def _touch(self, endpoint: Any) -> None:
        endpoint.etag = f"etag-{self.store.number()}"
        self.splits.append(dict(endpoint.traffic_split))


def _response(kind: Any, **fields: Any) -> Any:
    return type(kind.pb(kind()))(**fields)


def _ending(fault: Fault | None) -> tuple[int, ApiError | None]:
    """Returns how often an operation is polled before its end, and the error it ends with."""
    if fault is None:
        return 0, None
    return fault.polls, (fault.error if fault.kind == "failed operation" else None)
