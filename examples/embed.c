/* SPDX-License-Identifier: Apache-2.0
 *
 * Embeds libmergeloom: runs one job on a repository and prints what happens.
 *
 *   cc embed.c -o embed $(pkg-config --cflags --libs mergeloom)
 *   ./embed REPOSITORY TICKET
 */
#include <mergeloom/mergeloom.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Called on this thread, in order, while mloom_job_run blocks. Another thread could trigger the cancel token. */
static void on_event(const mloom_job_event *event, void *userdata) {
  (void)userdata;
  if (event->kind == MLOOM_JOB_EVENT_TOOL_END || event->kind == MLOOM_JOB_EVENT_CHECK) {
    printf("%6lld ms  %-12s %-7s %.*s\n", (long long)event->elapsed_ms, event->name, mloom_check_name(event->state),
           (int)event->text.size, event->text.data);
  }
}

static int complain(const mloom_error *error) {
  fprintf(stderr, "embed: %s (%s)\n", error->message, mloom_code_name(error->code));
  if (error->remedy[0] != '\0') {
    fprintf(stderr, "  try: %s\n", error->remedy);
  }
  return 1;
}

static char *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  char *text = file == NULL ? NULL : malloc(1 << 20);
  *size = text == NULL ? 0 : fread(text, 1, 1 << 20, file);
  if (file != NULL) {
    fclose(file);
  }
  return text;
}

/* Runs the job and prints its result. MLOOM_OK means that there is a result, a failed one too. */
static int run(mloom_context *context, const char *job, mloom_cancel *cancel) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_result *result = NULL;
  mloom_job_options options = {.size = sizeof(options), .cancel = cancel, .event = on_event};
  if (mloom_job_run(&result, context, job, strlen(job), &options, &error) != MLOOM_OK) {
    return complain(&error);
  }
  int status = 0;
  if (mloom_result_state(result, &error) == MLOOM_JOB_COMPLETED) {
    printf("\n%s\n", mloom_result_diff(result));
  } else {
    status = complain(&error);
  }
  mloom_result_free(result);
  return status;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: embed REPOSITORY TICKET\n");
    return 2;
  }
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_context *context = NULL;
  mloom_cancel *cancel = NULL;
  char *job = NULL;
  int status = 1;
  size_t size = 0;
  char *repository = realpath(argv[1], NULL);
  char *ticket = read_file(argv[2], &size);
  if (repository == NULL || ticket == NULL) {
    perror(repository == NULL ? argv[1] : argv[2]);
  } else if (mloom_context_new(&context, NULL, &error) != MLOOM_OK || mloom_cancel_new(&cancel, &error) != MLOOM_OK ||
             mloom_job_from_ticket(&job, ticket, size, repository, NULL, 0, &error) != MLOOM_OK) {
    status = complain(&error);
  } else {
    status = run(context, job, cancel);
  }
  mloom_string_free(job);
  mloom_cancel_unref(cancel);
  mloom_context_free(context);
  free(ticket);
  free(repository);
  return status;
}
