/* SPDX-License-Identifier: Apache-2.0
 *
 * The tool-calling self-test: a real job in a scratch folder that cannot be passed by talking.
 *
 * The folder holds code.txt ("code: ML-" and 12 hex digits) and target.txt ("value = unset" among other lines). The
 * ticket asks the model to read the code, to put it in the place of "unset", to run one allowed command, to hand the
 * code to the extra tool exchange_code, which answers "confirmation: MC-" and 12 hex digits, to inspect the diff, and
 * to submit a result whose summary holds the confirmation. Neither code stands in any prompt.
 *
 * A program that works by its own tools can be given no tool. There the confirmation is what an allowed command makes
 * of the file, which nobody can tell without running it.
 */
#ifndef MLOOM_READINESS_SELF_TEST_H
#define MLOOM_READINESS_SELF_TEST_H

#include "readiness/checks.h"

/* What the model did, in the order of the ticket. */
#define MLOOM_SELF_TEST_CALL 0u     /* called any tool */
#define MLOOM_SELF_TEST_READ 1u     /* read a file */
#define MLOOM_SELF_TEST_EDIT 2u     /* target.txt has the code, and nothing else of it changed */
#define MLOOM_SELF_TEST_COMMAND 3u  /* ran a command that succeeded */
#define MLOOM_SELF_TEST_EXCHANGE 4u /* handed the right code to the extra tool */
#define MLOOM_SELF_TEST_DIFF 5u     /* inspected the diff */
#define MLOOM_SELF_TEST_SUBMIT 6u   /* submitted a result with the confirmation */
#define MLOOM_SELF_TEST_STEPS 7u

typedef struct mloom_self_test_outcome {
  uint32_t passed;
  uint32_t step;            /* the first that was not done */
  uint32_t calls_as_text;   /* tool calls arrived as text */
  uint32_t without_command; /* no allowed command is installed: that step was left out */
  uint64_t turns;
  uint64_t input_tokens;
  uint64_t output_tokens;
  mloom_error error; /* why the job ended before its end; code MLOOM_OK when the model just stopped */
} mloom_self_test_outcome;

/* MLOOM_OK with an outcome also when the provider fails the test. Other codes: the test itself could not be set up. */
int32_t mloom_self_test_run(mloom_self_test_outcome *out, const mloom_readiness_args *args,
                            mloom_provider_instance *instance, const char *model, mloom_error *error);

/* "call a tool", "read a file", ... Static. */
const char *mloom_self_test_step_name(uint32_t step);

#endif
