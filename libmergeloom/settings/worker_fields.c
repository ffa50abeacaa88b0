/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/worker_fields.h"

#define FIELD(name_, title_, help_, kind_, default_) \
  .size = sizeof(mloom_field), .name = name_, .title = title_, .help = help_, .kind = kind_, .default_value = default_

static const char *const sandbox_choices[] = {"require", "best-effort", NULL};
static const char *const network_choices[] = {"deny", "allow", NULL};

/* The environment names are the derived ones, JCA_WORKER_<NAME>: those of the public chart where it has the variable.
 */
static const mloom_field provider = {
    FIELD("provider", "Default provider",
          "Provider of a job when neither its ticket nor its repository nor its workspace names one.",
          MLOOM_FIELD_STRING, NULL)};
static const mloom_field allowed_providers = {
    FIELD("allowed_providers", "Allowed providers",
          "Provider ids that jobs may use here. Unset: all. A workspace can narrow this, not widen it.",
          MLOOM_FIELD_LIST, NULL)};
static const mloom_field allowed_models = {
    FIELD("allowed_models", "Allowed models",
          "Model ids that jobs may use here; * and ? match as in file names. Unset: all.", MLOOM_FIELD_LIST, NULL)};
static const mloom_field model_labels = {
    FIELD("model_labels", "Model labels", "Whether a ticket's model:NAME labels count.", MLOOM_FIELD_BOOLEAN, "true")};
static const mloom_field allowed_commands = {
    FIELD("allowed_commands", "Allowed commands",
          "Names of the commands that a model may run, and that setup and validation may use.", MLOOM_FIELD_LIST,
          "git,rg,pytest,python,python3")};
static const mloom_field command_timeout_seconds = {FIELD("command_timeout_seconds", "Command time-out",
                                                          "Seconds after which a command is ended.",
                                                          MLOOM_FIELD_INTEGER, "300"),
                                                    .minimum = 1, .maximum = 86400};
static const mloom_field command_network = {FIELD("command_network", "Network of commands",
                                                  "Whether commands may use the network.", MLOOM_FIELD_CHOICE, "deny"),
                                            .choices = network_choices};
static const mloom_field sandbox = {
    FIELD("sandbox", "Sandbox",
          "require: no job runs where the kernel cannot confine commands; best-effort: it runs with what there is.",
          MLOOM_FIELD_CHOICE, "require"),
    .choices = sandbox_choices};
static const mloom_field sandbox_read_paths = {
    FIELD("sandbox_read_paths", "Readable paths",
          "Absolute paths that commands may read besides the workspace and the system's programs and libraries.",
          MLOOM_FIELD_LIST, NULL)};
static const mloom_field max_repair_attempts = {
    FIELD("max_repair_attempts", "Repair attempts",
          "How often the model may mend a result that failed validation before the job fails.", MLOOM_FIELD_INTEGER,
          "2"),
    .maximum = 20};
static const mloom_field max_turns = {
    FIELD("max_turns", "Turns", "Turns of the model after which a job fails.", MLOOM_FIELD_INTEGER, "100"),
    .minimum = 1, .maximum = 10000};
static const mloom_field max_tokens = {FIELD("max_tokens", "Tokens",
                                             "Input and output tokens after which a job fails. 0: no limit.",
                                             MLOOM_FIELD_INTEGER, "0"),
                                       .maximum = INT64_MAX};
static const mloom_field job_timeout_seconds = {FIELD("job_timeout_seconds", "Job time-out",
                                                      "Seconds after which a job is cancelled.", MLOOM_FIELD_INTEGER,
                                                      "3600"),
                                                .minimum = 1, .maximum = 604800};
static const mloom_field command_output_bytes = {
    FIELD("command_output_bytes", "Command output",
          "Bytes of a command's output that the model is shown: the beginning and the end.", MLOOM_FIELD_INTEGER,
          "65536"),
    .minimum = 1024, .maximum = 1048576};
static const mloom_field audit_path = {
    FIELD("audit_path", "Audit folder",
          "Folder where every job leaves its audit record. Unset: mergeloom/audit in "
          "XDG_STATE_HOME, else in .local/state of HOME.",
          MLOOM_FIELD_PATH, NULL)};
static const mloom_field scratch_path = {
    FIELD("scratch_path", "Scratch folder", "Folder where jobs make their private folders. Unset: TMPDIR, else /tmp.",
          MLOOM_FIELD_PATH, NULL)};

static const mloom_field *const fields[] = {
    &provider,         &allowed_providers,       &allowed_models,      &model_labels,
    &allowed_commands, &command_timeout_seconds, &command_network,     &command_output_bytes,
    &sandbox,          &sandbox_read_paths,      &max_repair_attempts, &max_turns,
    &max_tokens,       &job_timeout_seconds,     &audit_path,          &scratch_path};

const mloom_field *const *mloom_worker_fields(size_t *count) {
  *count = sizeof fields / sizeof fields[0];
  return fields;
}
