/* SPDX-License-Identifier: Apache-2.0 */
#include "deployment_fields.h"

#define FIELD(name_, kind_, title_, help_) \
  .size = sizeof(mloom_field), .name = name_, .title = title_, .help = help_, .kind = kind_

static const char *const roles[] = {"gateway", "executor", NULL};
static const char *const modes[] = {"ui", "provisioned", "gateway", NULL};

#define VARIABLE(symbol, name) static const char *const symbol[] = {name, NULL}
VARIABLE(host_name, "JCA_WORKER_HOST");
VARIABLE(port_name, "JCA_WORKER_PORT");
VARIABLE(role_name, "JCA_WORKER_ROLE");
VARIABLE(worker_name, "JCA_WORKER_NAME");
VARIABLE(poll_name, "JCA_WORKER_POLL_ENABLED");
VARIABLE(tenant_name, "JCA_WORKER_TENANT_SLUG");
VARIABLE(gateway_name, "JCA_WORKER_GATEWAY_URL");
VARIABLE(cluster_name, "JCA_WORKER_CLUSTER_TOKEN");
VARIABLE(access_name, "JCA_WORKER_ACCESS_TOKEN");
VARIABLE(tls_name, "JCA_WORKER_TLS_TERMINATED");
VARIABLE(allowed_hosts_name, "JCA_WORKER_ALLOWED_HOSTS");
VARIABLE(provider_mode_name, "JCA_PROVIDER_CONFIG_MODE");
VARIABLE(provider_db_name, "JCA_PROVIDER_CONFIG_DB_PATH");
VARIABLE(key_name, "JCA_PROVIDER_SECRET_KEY_PATH");
VARIABLE(runtime_mode_name, "JCA_WORKER_RUNTIME_CONFIG_MODE");
VARIABLE(runtime_db_name, "JCA_WORKER_RUNTIME_CONFIG_DB_PATH");
VARIABLE(state_db_name, "JCA_WORKER_LOCAL_STATE_DB");
VARIABLE(workspace_name, "JCA_WORKER_WORKSPACE_ROOT");
VARIABLE(heartbeat_name, "JCA_WORKER_ACTIVE_JOB_HEARTBEAT_INTERVAL_SECONDS");
VARIABLE(attempts_name, "JCA_WORKER_JOB_ATTEMPTS");
VARIABLE(slots_name, "JCA_WORKER_JOB_SLOTS");
VARIABLE(request_name, "JCA_WORKER_REQUEST_SECONDS");
VARIABLE(grace_name, "JCA_WORKER_STOP_GRACE_SECONDS");
VARIABLE(check_name, "JCA_WORKER_CHECK_SECONDS");
VARIABLE(memory_name, "JCA_WORKER_MEMORY_MIB");
VARIABLE(store_names, "JCA_WORKER_DATABASE_URL");
VARIABLE(config_db_url_names, "JCA_WORKER_CONFIG_DB_URL");
VARIABLE(audit_db_url_names, "JCA_WORKER_AUDIT_DB_URL");
VARIABLE(code_audit_db_url_names, "JCA_WORKER_CODE_AUDIT_DB_URL");
VARIABLE(live_db_url_names, "JCA_WORKER_LIVE_DB_URL");
VARIABLE(trace_db_url_names, "JCA_WORKER_TRACE_DB_URL");
VARIABLE(gateway_db_url_names, "JCA_WORKER_GATEWAY_DB_URL");

static const mloom_field host = {FIELD("host", MLOOM_FIELD_STRING, "Address", "address to listen on"),
                                 .environment_names = host_name, .default_value = "127.0.0.1"};
static const mloom_field port = {FIELD("port", MLOOM_FIELD_INTEGER, "Port", "port to listen on; 0: any free one"),
                                 .environment_names = port_name, .default_value = "8010", .maximum = 65535};
static const mloom_field role = {FIELD("role", MLOOM_FIELD_CHOICE, "Role", "gateway, executor, or unset for both"),
                                 .environment_names = role_name, .choices = roles};
static const mloom_field name = {
    FIELD("name", MLOOM_FIELD_STRING, "Name", "of this worker; the host's name when unset"),
    .environment_names = worker_name};
static const mloom_field poll = {
    FIELD("poll_enabled", MLOOM_FIELD_BOOLEAN, "Takes jobs", "false: this process runs no jobs; a gateway never does"),
    .environment_names = poll_name};
static const mloom_field tenant = {FIELD("tenant_slug", MLOOM_FIELD_STRING, "Workspace", "that this worker belongs to"),
                                   .environment_names = tenant_name};
static const mloom_field gateway_url = {FIELD("gateway_url", MLOOM_FIELD_URL, "Gateway", "that an executor asks"),
                                        .environment_names = gateway_name};
static const mloom_field cluster_token = {
    FIELD("cluster_token", MLOOM_FIELD_SECRET, "Cluster token", "between gateway and executors, and for nothing else"),
    .environment_names = cluster_name};
static const mloom_field access_token = {
    FIELD("access_token", MLOOM_FIELD_SECRET, "Access token", "that opens pages and API from other hosts"),
    .environment_names = access_name};
static const mloom_field tls_terminated = {FIELD("tls_terminated", MLOOM_FIELD_BOOLEAN, "TLS termination",
                                                 "true: a proxy in front ends TLS and lets only the right people in"),
                                           .environment_names = tls_name, .default_value = "false"};
static const mloom_field allowed_hosts = {
    FIELD("allowed_hosts", MLOOM_FIELD_LIST, "Host names", "more names under which browsers may reach this daemon"),
    .environment_names = allowed_hosts_name};
static const mloom_field provider_mode = {
    FIELD("provider_config_mode", MLOOM_FIELD_CHOICE, "Owner of provider settings", "ui, provisioned or gateway"),
    .environment_names = provider_mode_name, .choices = modes, .default_value = "ui"};
static const mloom_field provider_db = {
    FIELD("provider_config_db_path", MLOOM_FIELD_PATH, "Store of provider settings", "an SQLite file"),
    .environment_names = provider_db_name};
static const mloom_field secret_key = {
    FIELD("provider_secret_key_path", MLOOM_FIELD_PATH, "Key of stored secrets", "made when it is not there"),
    .environment_names = key_name};
static const mloom_field runtime_mode = {
    FIELD("runtime_config_mode", MLOOM_FIELD_CHOICE, "Owner of runtime settings", "ui, provisioned or gateway"),
    .environment_names = runtime_mode_name, .choices = modes, .default_value = "ui"};
static const mloom_field runtime_db = {
    FIELD("runtime_config_db_path", MLOOM_FIELD_PATH, "Store of runtime settings", "an SQLite file"),
    .environment_names = runtime_db_name};
static const mloom_field state_db = {
    FIELD("local_state_db", MLOOM_FIELD_PATH, "Store of jobs and audit", "an SQLite file"),
    .environment_names = state_db_name};
static const mloom_field database_url = {
    FIELD("database_url", MLOOM_FIELD_SECRET, "Database", "PostgreSQL URL of a store that several gateways share"),
    .environment_names = store_names};
static const mloom_field config_db_url = {
    FIELD("config_db_url", MLOOM_FIELD_SECRET, "Database of settings", "instead of the shared one"),
    .environment_names = config_db_url_names};
static const mloom_field audit_db_url = {
    FIELD("audit_db_url", MLOOM_FIELD_SECRET, "Database of the audit", "instead of the shared one"),
    .environment_names = audit_db_url_names};
static const mloom_field code_audit_db_url = {
    FIELD("code_audit_db_url", MLOOM_FIELD_SECRET, "Database of the code audit", "instead of the shared one"),
    .environment_names = code_audit_db_url_names};
static const mloom_field live_db_url = {
    FIELD("live_db_url", MLOOM_FIELD_SECRET, "Database of live events", "instead of the shared one"),
    .environment_names = live_db_url_names};
static const mloom_field trace_db_url = {
    FIELD("trace_db_url", MLOOM_FIELD_SECRET, "Database of traces", "instead of the shared one"),
    .environment_names = trace_db_url_names};
static const mloom_field gateway_db_url = {
    FIELD("gateway_db_url", MLOOM_FIELD_SECRET, "Database of jobs", "instead of the shared one"),
    .environment_names = gateway_db_url_names};
static const mloom_field workspace_root = {
    FIELD("workspace_root", MLOOM_FIELD_PATH, "Workspaces", "repositories of jobs must lie below it"),
    .environment_names = workspace_name};
static const mloom_field heartbeat = {
    FIELD("heartbeat_seconds", MLOOM_FIELD_INTEGER, "Heartbeat", "between two signs of life of a running job"),
    .environment_names = heartbeat_name, .default_value = "15", .minimum = 1, .maximum = 3600};
static const mloom_field attempts = {FIELD("job_attempts", MLOOM_FIELD_INTEGER, "Attempts",
                                           "how often a job is begun whose executors are lost one after the other"),
                                     .environment_names = attempts_name, .default_value = "2", .minimum = 1,
                                     .maximum = 100};
static const mloom_field slots = {
    FIELD("job_slots", MLOOM_FIELD_INTEGER, "Job slots", "jobs that run at the same time"),
    .environment_names = slots_name, .default_value = "1", .minimum = 1, .maximum = 64};

static const mloom_field request_seconds = {FIELD("request_seconds", MLOOM_FIELD_INTEGER, "Time for a request",
                                                  "connections whose request takes longer are ended"),
                                            .environment_names = request_name, .default_value = "30", .minimum = 1,
                                            .maximum = 3600};
static const mloom_field grace = {
    FIELD("stop_grace_seconds", MLOOM_FIELD_INTEGER, "Grace at the end",
          "how long running jobs may go on when the daemon stops; then they are handed back"),
    .environment_names = grace_name, .default_value = "20", .maximum = 86400};

static const mloom_field check_seconds = {FIELD("check_seconds", MLOOM_FIELD_INTEGER, "Time for a check",
                                                "of a provider; a plugin that takes longer is ended"),
                                          .environment_names = check_name, .default_value = "300", .minimum = 1,
                                          .maximum = 86400};
static const mloom_field worker_memory = {
    FIELD("worker_memory_mib", MLOOM_FIELD_INTEGER, "Memory of a worker",
          "MiB that the plugins of one check or job may take, without the commands; 0: no limit"),
    .environment_names = memory_name, .default_value = "4096", .maximum = 1 << 20};

static const mloom_field *const fields[] = {&host,           &port,          &role,           &name,
                                            &tenant,         &gateway_url,   &cluster_token,  &access_token,
                                            &tls_terminated, &allowed_hosts, &provider_mode,  &provider_db,
                                            &secret_key,     &runtime_mode,  &runtime_db,     &state_db,
                                            &database_url,   &config_db_url, &audit_db_url,   &code_audit_db_url,
                                            &live_db_url,    &trace_db_url,  &gateway_db_url, &workspace_root,
                                            &heartbeat,      &slots,         &grace,          &request_seconds,
                                            &check_seconds,  &worker_memory, &attempts,       &poll};

const mloom_field *const *deployment_fields(size_t *count) {
  *count = sizeof fields / sizeof fields[0];
  return fields;
}
