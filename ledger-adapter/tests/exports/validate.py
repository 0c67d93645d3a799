"""Validates exports with tools by others, and sees that each tool refuses what is broken.

Usage: validate.py <exports> <vectors>; validate.sh makes the exports.
"""

import base64
import copy
import hashlib
import importlib.metadata
import importlib.resources
import io
import json
import pathlib
import shutil
import sys
import tempfile

import jsonschema
import referencing
import requests
import requests_cache
import urllib3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fhir.resources import get_fhir_model_class
from fhir.resources.R4B import get_fhir_model_class as get_r4_model_class
from in_toto_attestation.v1 import statement as in_toto
from google.protobuf import json_format
from in_toto_attestation.v1 import statement_pb2
from openlineage.client import event_v2
from prov.model import ProvDocument
from rocrate_validator import models as rocrate_models
from rocrate_validator import services as rocrate
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

HERE = pathlib.Path(__file__).parent
TOOLS = [
    line.split("==")[0].split("[")[0]
    for line in (HERE / "requirements.txt").read_text().splitlines()
]


def main(exports, vectors):
    for tool in TOOLS:
        print(f"{tool} {importlib.metadata.version(tool)}")
    policy = json.loads((vectors / "policy.json").read_text())
    kinds = [audit_event, provenance, run_event, prov, crate, dsse, tlog_proof]
    for directory in sorted(exports.iterdir()):
        for kind in kinds:
            kind(directory, policy)
            print(f"ok   {directory.name}: {kind.__name__}")
    broken = 0
    for name, kind, spoil in BROKEN:
        with tempfile.TemporaryDirectory() as place:
            copied = pathlib.Path(place) / "wide"
            shutil.copytree(exports / "wide", copied)
            spoil(copied)
            try:
                kind(copied, policy)
            except Exception as error:  # what each tool raises is its own
                why = " ".join(f"{type(error).__name__}: {error}".split())
                print(f"ok   refused by {kind.__name__}: {name} ({why[:90]})")
                broken += 1
            else:
                sys.exit(f"bad  {kind.__name__} takes {name}")
    print(f"all is as it should be: {broken} broken documents were refused")


def read(path):
    return json.loads(path.read_text())


def audit_event(directory, _policy):
    """FHIR R4 by fhir.resources, and then the profile's own rules, which it does not know."""
    value = read(directory / "audit-event.json")
    get_r4_model_class("AuditEvent").model_validate(value)
    profile = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.Query"
    check(value["meta"]["profile"] == [profile], "profile")
    check(value["type"]["code"] == "rest" and value["action"] == "E", "type")
    check(value["outcome"] == "0" and value["subtype"][0]["code"] == "search", "subtype")
    for role in ["110153", "110152"]:
        agents = [a for a in value["agent"] if a["type"]["coding"][0]["code"] == role]
        check(len(agents) == 1 and {"who", "network"} <= agents[0].keys(), f"agent {role}")
        check("media" not in agents[0], "media")
    queries = [e for e in value["entity"] if e["type"]["code"] == "2"]
    check(len(queries) == 1 and queries[0]["role"]["code"] == "24", "one query")
    check(not {"what", "lifecycle", "detail"} & queries[0].keys(), "only a query")
    base64.b64decode(queries[0]["query"], validate=True)


def provenance(directory, policy):
    """FHIR R5 by fhir.resources, and the DSSE signature within."""
    value = read(directory / "provenance.json")
    get_fhir_model_class("Provenance").model_validate(value)
    check(value["signature"][0]["sigFormat"] == "application/vnd.dsse+json", "format")
    envelope = json.loads(base64.b64decode(value["signature"][0]["data"], validate=True))
    verify(envelope, policy)


def run_event(directory, _policy):
    """The schema of OpenLineage 2-0-2 and of our facet, and OpenLineage's own Python client."""
    value = read(directory / "run-event.json")
    core, facet = (read(HERE / "schemas" / name) for name in SCHEMAS)
    resources = [referencing.Resource.from_contents(schema) for schema in (core, facet)]
    registry = resources @ referencing.Registry()
    of = jsonschema.Draft202012Validator
    release = value["run"]["facets"]["graunt_dpRelease"]
    for schema, part in [(core, value), (facet, release)]:
        of(schema, registry=registry, format_checker=of.FORMAT_CHECKER).validate(part)
    check(release["_schemaURL"] == facet["$id"], "schema of the facet")
    check(value["schemaURL"] == core["$id"] + "#/$defs/RunEvent", "schema")
    datasets = {"inputs": event_v2.InputDataset, "outputs": event_v2.OutputDataset}
    parts = {
        name: [dataset(namespace=one["namespace"], name=one["name"]) for one in value[name]]
        for name, dataset in datasets.items()
    }
    event = event_v2.RunEvent(
        eventTime=value["eventTime"],
        producer=value["producer"],
        eventType=event_v2.RunState[value["eventType"]],
        run=event_v2.Run(runId=value["run"]["runId"]),
        job=event_v2.Job(namespace=value["job"]["namespace"], name=value["job"]["name"]),
        **parts,
    )
    check(event.schemaURL == value["schemaURL"], "the client writes the same schema")
    text = json.dumps(value)
    check("sql" not in text.lower() and "rowcount" not in text.lower(), "nothing that leaks")


def prov(directory, _policy):
    """Read by prov, written again, and the same; and its graph holds together."""
    text = (directory / "prov.json").read_text()
    document = ProvDocument.deserialize(content=text, format="json")
    again = ProvDocument.deserialize(content=document.serialize(format="json"), format="json")
    check(document == again, "round trip")
    kinds = sorted(record.get_type().localpart for record in document.get_records())
    inputs = kinds.count("Usage")
    check(inputs > 0 and kinds.count("Derivation") == inputs, "derivations")
    check(kinds.count("Entity") == inputs + 1 and kinds.count("Activity") == 1, "entities")
    known = {record.identifier for record in document.get_records() if record.is_element()}
    for record in document.get_records():
        if record.is_relation():
            ends = [value for _, value in record.formal_attributes if value is not None]
            check(set(ends) <= known, f"{record} names what is not there")


def crate(directory, _policy):
    """Process Run Crate by rocrate-validator, required and recommended; then Five Safes."""
    place = directory / "crate"
    with tempfile.TemporaryDirectory() as cache:
        settings = rocrate_models.ValidationSettings(
            rocrate_uri=str(place),
            profile_identifier="process-run-crate",
            requirement_severity=rocrate_models.Severity.RECOMMENDED,
            offline=True,
            cache_path=keep_context(pathlib.Path(cache) / "http"),
            disable_remote_crate_download=True,
        )
        result = rocrate.validate(settings)
    issues = [f"{issue.check.identifier}: {issue.message}" for issue in result.get_issues()]
    check(not issues, "; ".join(issues))
    metadata = read(place / "ro-crate-metadata.json")
    graph = {entity["@id"]: entity for entity in metadata["@graph"]}
    root = graph["./"]
    profiles = {profile["@id"] for profile in root["conformsTo"]}
    check("https://w3id.org/5s-crate/0.4" in profiles, "Five Safes profile")
    actions = [graph[action["@id"]] for action in root["mentions"]]
    kinds = {a["additionalType"]["@id"] for a in actions if a["@type"] == "AssessAction"}
    phases = ["CheckValue", "ValidationCheck", "SignOff", "DisclosureCheck"]
    check(kinds == {f"https://w3id.org/shp#{phase}" for phase in phases}, "Five Safes phases")
    parts = {part["@id"] for part in root["hasPart"]} | {"ro-crate-metadata.json"}
    check(parts == {path.name for path in place.iterdir()}, "files")
    statement = verify(read(place / "release.dsse.json"), _policy)
    digest = hashlib.sha256((place / "table.json").read_bytes()).hexdigest()
    check(statement["subject"][0]["digest"]["sha256"] == digest, "the table's digest")


def keep_context(path):
    """Puts the JSON-LD context of RO-Crate 1.1, as the package rocrate has it, in a cache of HTTP:
    whether a crate is valid shall not hang on a network."""
    text = importlib.resources.files("rocrate").joinpath("data/ro-crate.jsonld").read_bytes()
    check(json.loads(text)["@id"] == CONTEXT, "version of the context")

    class Kept(requests.adapters.BaseAdapter):
        """Answers every request with the context."""

        def send(self, request, **_):
            head = {"Content-Type": "application/ld+json", "Content-Length": str(len(text))}
            raw = urllib3.HTTPResponse(io.BytesIO(text), head, 200, preload_content=False)
            return requests.adapters.HTTPAdapter().build_response(request, raw)

        def close(self):
            pass

    session = requests_cache.CachedSession(str(path), backend="sqlite", expire_after=-1)
    session.mount("https://", Kept())
    session.get(CONTEXT)
    session.close()
    return path


def dsse(directory, policy):
    """The release statement: DSSE by securesystemslib, in-toto by in-toto-attestation."""
    verify(read(directory / "crate" / "release.dsse.json"), policy)


def tlog_proof(directory, policy):
    """C2SP tlog-proof by hand: the log's Ed25519 signature by cryptography, and RFC 6962."""
    log = next(line for line in policy["log_policy"] if line.startswith("log ")).split()[1]
    origin, _, key = log.split("+", 2)
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(key)[1:])
    for name in ["charge", "release"]:
        text = (directory / "crate" / f"{name}.tlog-proof").read_text()
        proof, body, signatures = text.split("\n\n")
        header, index, *path = proof.split("\n")
        check(header == "c2sp.org/tlog-proof@v1" and index.startswith("index "), "header")
        signature = signatures.split("\n")[0].removeprefix(f"\u2014 {origin} ")
        key.verify(base64.b64decode(signature)[4:], (body + "\n").encode())
        told, size, root = body.split("\n")
        leaf = (directory / "crate" / f"{name}.json").read_bytes()
        siblings = [base64.b64decode(line) for line in path]
        leaf = hashlib.sha256(b"\0" + leaf).digest()
        computed = climb(int(index[6:]), int(size), leaf, siblings)
        check(told == origin and base64.b64decode(root) == computed, "the entry is in the log")


def climb(index, size, leaf, siblings):
    """The root over a leaf: RFC 6962, section 2.1.1, read from the leaf up."""
    if size == 1:
        check(not siblings, "path")
        return leaf
    split = 1 << ((size - 1).bit_length() - 1)
    check(bool(siblings), "path")
    *rest, top = siblings
    if index < split:
        return hashlib.sha256(b"\1" + climb(index, split, leaf, rest) + top).digest()
    return hashlib.sha256(b"\1" + top + climb(index - split, size - split, leaf, rest)).digest()


def verify(envelope, policy):
    """Verifies an envelope by the release keys, and gives the statement in it."""
    keys = []
    for text in policy["release"]:
        raw = base64.b64decode(text)
        keys.append(SSlibKey(hashlib.sha256(raw).hexdigest(), "ed25519", "ed25519",
                             {"public": raw.hex()}))
    signed = Envelope.from_dict(copy.deepcopy(envelope))
    signed.verify(keys, 1)
    check(signed.payload_type == "application/vnd.in-toto+json", "type of the payload")
    statement = json.loads(signed.payload)
    message = json_format.ParseDict(statement, statement_pb2.Statement())
    in_toto.Statement.copy_from_pb(message).validate()
    check(statement["predicateType"].endswith("/dp-release/v1"), "predicate")
    return statement


def check(condition, what):
    if not condition:
        raise ValueError(what)


CONTEXT = "https://w3id.org/ro/crate/1.1/context"
SCHEMAS = ["OpenLineage.json", "DpReleaseRunFacet.json"]


def edit(name, change):
    """Changes a document of a copy of the exports."""

    def spoil(directory):
        path = directory / name
        value = read(path)
        change(value)
        path.write_text(json.dumps(value))

    return spoil


def rewrite(name, old, new):
    """Changes the text of a file of a copy of the exports."""

    def spoil(directory):
        path = directory / name
        text = path.read_text()
        check(text.count(old) == 1, name)
        path.write_text(text.replace(old, new))

    return spoil


def entity(value, identifier):
    return next(one for one in value["@graph"] if one["@id"] == identifier)


def sign_nothing(value):
    envelope = json.loads(base64.b64decode(value["signature"][0]["data"]))
    payload = base64.b64decode(envelope["payload"]).replace(b"suppressed", b"suppresse_")
    envelope["payload"] = base64.b64encode(payload).decode()
    value["signature"][0]["data"] = base64.b64encode(json.dumps(envelope).encode()).decode()


AUDIT, PROVENANCE, RUN = "audit-event.json", "provenance.json", "run-event.json"
META, DSSE = "crate/ro-crate-metadata.json", "crate/release.dsse.json"
BROKEN = [
    ("no time", audit_event, edit(AUDIT, lambda v: v.pop("recorded"))),
    ("a time without a zone", audit_event,
     edit(AUDIT, lambda v: v.update(recorded="2024-11-23"))),
    ("a field of no name", audit_event, edit(AUDIT, lambda v: v.update(more=1))),
    ("no observer", audit_event, edit(AUDIT, lambda v: v["source"].pop("observer"))),
    ("another action than the profile's", audit_event, edit(AUDIT, lambda v: v.update(action="R"))),
    ("no server", audit_event, edit(AUDIT, lambda v: v["agent"].pop())),
    ("two queries", audit_event, edit(AUDIT, lambda v: v["entity"].append(v["entity"][0]))),
    ("a query that is not base64", audit_event,
     edit(AUDIT, lambda v: v["entity"][0].update(query="select 1;"))),
    ("no target", provenance, edit(PROVENANCE, lambda v: v.pop("target"))),
    ("an R4 name", provenance, edit(PROVENANCE, lambda v: v.update(reason=[]))),
    ("two times of occurrence", provenance,
     edit(PROVENANCE, lambda v: v.update(occurredPeriod={"start": "2024-11-23"}))),
    ("another statement than was signed", provenance, edit(PROVENANCE, sign_nothing)),
    ("no job", run_event, edit(RUN, lambda v: v.pop("job"))),
    ("a run that is no UUID", run_event, edit(RUN, lambda v: v["run"].update(runId="06"))),
    ("an unknown state", run_event, edit(RUN, lambda v: v.update(eventType="DONE"))),
    ("a time that is none", run_event, edit(RUN, lambda v: v.update(eventTime="today"))),
    ("a facet without its schema", run_event,
     edit(RUN, lambda v: v["job"]["facets"]["jobType"].pop("_schemaURL"))),
    ("a cost that is no integer", run_event,
     edit(RUN, lambda v: v["run"]["facets"]["graunt_dpRelease"].update(rhoNano="1.5"))),
    ("a field of no name in our facet", run_event,
     edit(RUN, lambda v: v["run"]["facets"]["graunt_dpRelease"].update(rows=12))),
    ("a prefix that is not declared", prov, edit("prov.json", lambda v: v["prefix"].pop("sha256"))),
    ("a use of what is not there", prov,
     edit("prov.json", lambda v: v["used"]["_:used0"].update({"prov:entity": "sha256:00"}))),
    ("an extract that nothing is derived from", prov,
     edit("prov.json", lambda v: v["wasDerivedFrom"].pop("_:derived1"))),
    ("no root", crate, edit(META, lambda v: v["@graph"].remove(entity(v, "./")))),
    ("no date", crate, edit(META, lambda v: entity(v, "./").pop("datePublished"))),
    ("no licence", crate, edit(META, lambda v: entity(v, "./").pop("license"))),
    ("an action without instrument", crate,
     edit(META, lambda v: entity(v, "#query").pop("instrument"))),
    ("an action that is not mentioned", crate,
     edit(META, lambda v: entity(v, "./").pop("mentions"))),
    ("no disclosure check", crate,
     edit(META, lambda v: entity(v, "./")["mentions"].remove({"@id": "#disclosure"}))),
    ("a file that is not there", crate, lambda place: (place / "crate/table.json").unlink()),
    ("another table", crate,
     edit("crate/table.json", lambda v: v["columns"].append("more"))),
    ("another payload", dsse,
     edit(DSSE, lambda v: v.update(payload=base64.b64encode(b"{}").decode()))),
    ("another type of payload", dsse, edit(DSSE, lambda v: v.update(payloadType="text/plain"))),
    ("no signature", dsse, edit(DSSE, lambda v: v.update(signatures=[]))),
    ("another entry", tlog_proof, rewrite("crate/charge.json", "20050", "20051")),
    ("another index", tlog_proof, rewrite("crate/charge.tlog-proof", "index 31", "index 30")),
    ("another size", tlog_proof, rewrite("crate/release.tlog-proof", "\n47\n", "\n48\n")),
    ("another key", dsse, edit(DSSE, lambda v: v["signatures"][0].update(keyid="00" * 32))),
]

if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
