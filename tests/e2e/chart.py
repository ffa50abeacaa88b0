# SPDX-License-Identifier: Apache-2.0
"""The environment that the public chart of MergeLoom gives the pods of a gateway and of its executors."""
import harness
from daemon_server import api, settled
from harness import check, equal

# What the chart sets to nothing unless somebody fills it in.
EMPTY = (
    "JCA_WORKER_ENROLLMENT_TOKEN JCA_WORKER_DATABASE_URL JCA_WORKER_CONFIG_DB_URL JCA_WORKER_AUDIT_DB_URL "
    "JCA_WORKER_CODE_AUDIT_DB_URL JCA_WORKER_LIVE_DB_URL JCA_WORKER_TRACE_DB_URL JCA_WORKER_GATEWAY_DB_URL "
    "JCA_OPENAI_API_KEY JCA_ANTHROPIC_API_KEY JCA_VERTEX_SERVICE_ACCOUNT_JSON JCA_VERTEX_ACCESS_TOKEN "
    "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN JCA_AZURE_FOUNDRY_API_KEY AZURE_CLIENT_SECRET "
    "JCA_AZURE_FOUNDRY_BEARER_TOKEN JCA_OPENAI_MODEL JCA_ANTHROPIC_MODEL JCA_WORKER_CLAUDE_CODE_MODEL "
    "JCA_VERTEX_AUTH_METHOD JCA_VERTEX_ENDPOINT_MODE JCA_VERTEX_ENDPOINT_URL JCA_VERTEX_PROJECT_ID JCA_VERTEX_LOCATION "
    "JCA_VERTEX_PUBLISHER JCA_VERTEX_MODEL GOOGLE_APPLICATION_CREDENTIALS JCA_BEDROCK_AUTH_METHOD JCA_BEDROCK_REGION "
    "JCA_BEDROCK_MODEL_ID JCA_BEDROCK_ENDPOINT_URL AWS_PROFILE JCA_AZURE_FOUNDRY_AUTH_METHOD JCA_AZURE_FOUNDRY_ENDPOINT "
    "AZURE_TENANT_ID AZURE_CLIENT_ID AZURE_FEDERATED_TOKEN_FILE JCA_AZURE_FOUNDRY_MODEL").split()
TOKEN = "cluster-test-token-not-a-secret"
GATEWAY_HOST = "mergeloom-mergeloom-worker"


def pod(role):
    """All of it, as it stands."""
    data, mode = "/data/gateway", "ui" if role == "gateway" else "gateway"
    values = dict.fromkeys(EMPTY, "")
    values.update({
        "JCA_WORKER_CLUSTER_TOKEN": TOKEN, "JCA_WORKER_ROLE": role,
        "JCA_WORKER_CONTROL_PLANE_URL": "https://controller.mergeloom.ai", "JCA_WORKER_TENANT_SLUG": "demo",
        "JCA_WORKER_WORKSPACE_ROOT": "/data/workspaces", "JCA_WORKER_CLI_CONFIG_DIR": "/home/agent/.codex",
        "JCA_PROVIDER_CONFIG_MODE": mode, "JCA_WORKER_RUNTIME_CONFIG_MODE": mode,
        "JCA_WORKER_ALLOWED_COMMANDS": "git,rg,pytest,python,python3", "JCA_WORKER_COMMAND_TIMEOUT_SECONDS": "300",
        "JCA_WORKER_CONTROL_PLANE_REQUEST_TIMEOUT_SECONDS": "60", "JCA_WORKER_HOST": "0.0.0.0", "JCA_WORKER_PORT": "8010",
        "JCA_CONTEXT_ENGINE_URL": f"http://{GATEWAY_HOST}-context-engine:8020", "JCA_CONTEXT_ENGINE_WORKER_TOKEN": "",
        "JCA_CONTEXT_ENGINE_REQUEST_TIMEOUT_SECONDS": "30"})
    if role == "gateway":
        values.update({
            "JCA_WORKER_NAME": f"{GATEWAY_HOST}-gateway", "JCA_WORKER_POLL_ENABLED": "false",
            "JCA_CONTEXT_ENGINE_INTERNAL_TOKEN": "", "JCA_PROVIDER_CONFIG_DB_PATH": f"{data}/provider_config.db",
            "JCA_PROVIDER_SECRET_KEY_PATH": f"{data}/provider_secret.key",
            "JCA_WORKER_RUNTIME_CONFIG_DB_PATH": f"{data}/runtime_config.db"})
    else:
        values.update({
            "JCA_WORKER_NAME": f"{GATEWAY_HOST}-executor-0", "JCA_WORKER_GATEWAY_URL": f"http://{GATEWAY_HOST}:8010",
            "JCA_WORKER_MAX_REPAIR_ATTEMPTS": "2", "JCA_WORKER_ACTIVE_JOB_HEARTBEAT_INTERVAL_SECONDS": "15"})
    return values


def chart(role, **more):
    """The same for a machine that is no pod: its paths lead into the scratch folder, and it listens on loopback."""
    scratch = harness.scratch() / role
    values = {name: str(scratch / value.lstrip("/")) if value.startswith("/") else value for name, value in pod(role).items()}
    return {**values, "JCA_WORKER_HOST": "127.0.0.1", "JCA_WORKER_PORT": "0", "XDG_STATE_HOME": scratch, **more}


def check_providers(server, least):
    """So many providers at least, and each says what is missing and what to do."""
    names = [item["id"] for item in api(server, "/providers")[2]["providers"]]
    check(len(names) >= least, f"{names}")
    for name in names:
        found = settled(server, name)
        equal(found["state"], "not ready", f"{name}: {found['checks']}")
        failed = [item for item in found["checks"] if item["state"] == "fail"]
        check(failed and all(item["reason"] and item["remedy"] for item in failed), f"{name}: {found['checks']}")
