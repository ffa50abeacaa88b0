/* SPDX-License-Identifier: Apache-2.0 */
#include "tool.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMMON_LETTERS "PCSvKh"

/* Every option of every command. letter is also its short name when short is 1. */
typedef struct option_rule {
  char letter;
  int has_short;
  const char *name;
  const char *argument; /* NULL: none */
  const char *help;
} option_rule;

static const option_rule rules[] = {
    {'r', 0, "repo", "DIR", "the repository to work on"},
    {'t', 0, "ticket", "FILE", "the ticket: JSON, or text whose first line is its title; - is standard input"},
    {'j', 0, "job", "FILE", "a mergeloom.job.v1 document; with --ticket its other members are kept"},
    {'m', 0, "model", "NAME", "check this model instead of the provider's default"},
    {'T', 0, "timeout", "SECONDS", "how long the checks may take together (default: 120), or a login (900)"},
    {'D', 0, "device", NULL, "log in by a code that is typed in on any machine"},
    {'B', 0, "browser", NULL, "log in through a browser on this machine, or by a code that it shows"},
    {'k', 0, "api-key", NULL, "read an API key from standard input and let the program keep it"},
    {'O', 0, "out", NULL, "log out"},
    {'o', 'o', "output", "FILE", "write the result document to FILE"},
    {'d', 0, "diff", NULL, "show the whole diff"},
    {'J', 0, "json", NULL, "write JSON for programs instead of text for people"},
    {'n', 0, "no-self-test", NULL, "leave out the tool-calling self-test, which costs tokens"},
    {'N', 0, "no-readiness", NULL, "start without any check"},
    {'P', 0, "plugins", "DIR", "load plugins from DIR only; may be repeated"},
    {'C', 0, "config", "FILE", "read this configuration file"},
    {'S', 0, "secrets", "DIR", "read mounted secrets from DIR"},
    {'v', 'v', "verbose", NULL, "say more; twice for details"},
    {'K', 0, "color", "WHEN", "auto, always or never"},
    {'h', 'h', "help", NULL, "show this help"},
};

#define RULE_COUNT (sizeof(rules) / sizeof(rules[0]))

static int takes(const tool_command *command, char letter) {
  return strchr(COMMON_LETTERS, letter) != NULL || (command != NULL && strchr(command->options, letter) != NULL);
}

static void print_rule(const option_rule *rule) {
  tool_text line = {NULL, 0, 0};
  if (rule->has_short) {
    tool_text_format(&line, "  -%c, ", rule->letter);
  } else {
    tool_text_add(&line, "      ");
  }
  tool_text_format(&line, "--%s%s%s", rule->name, rule->argument != NULL ? " " : "",
                   rule->argument != NULL ? rule->argument : "");
  tool_text_pad(&line, line.size < 24 ? 24 - line.size : 1);
  printf("%s %s\n", tool_text_get(&line), rule->help);
  tool_text_free(&line);
}

static void print_command_help(const tool_command *command) {
  printf("Usage: mergeloom %s %s\n%s.\n\nOptions:\n", command->name, command->usage, command->summary);
  for (size_t i = 0; i < RULE_COUNT; i++) {
    if (takes(command, rules[i].letter)) {
      print_rule(&rules[i]);
    }
  }
  if (command->help[0] != '\0') {
    printf("\n%s\n", command->help);
  }
}

static void print_help(void) {
  puts(
      "Usage: mergeloom COMMAND [OPTION]...\nTurns a ticket into a checked diff, with the providers that are loaded as "
      "plugins.\n\nCommands:");
  for (const tool_command *command = tool_commands; command->name != NULL; command++) {
    printf("  %-10s %s\n", command->name, command->summary);
  }
  puts("\nOptions of every command:");
  for (size_t i = 0; i < RULE_COUNT; i++) {
    if (takes(NULL, rules[i].letter)) {
      print_rule(&rules[i]);
    }
  }
  puts("      --version          show the version\n\n"
       "Exit status: 0 completed, 1 failed, 2 wrong use, 3 blocked by resolution or policy,\n"
       "4 the provider is not ready, 5 cancelled or timed out.\n\n"
       "mergeloom COMMAND --help shows the options of a command; man mergeloom has everything.");
}

static int absolute_path(char **out, const char *path, const char *what) {
  free(*out);
  *out = realpath(path, NULL);
  if (*out == NULL) {
    tool_complain("check the path", "%s %s: %s", what, path, strerror(errno));
    return TOOL_USAGE;
  }
  return -1;
}

static int take_color(tool_options *options, const char *value) {
  static const char *const names[] = {"auto", "always", "never"};
  for (int i = 0; i < 3; i++) {
    if (strcmp(value, names[i]) == 0) {
      options->color = i;
      return -1;
    }
  }
  tool_complain("write --color=auto, --color=always or --color=never", "--color has no choice \"%s\"", value);
  return TOOL_USAGE;
}

static int take_timeout(tool_options *options, const char *value) {
  char *end = NULL;
  errno = 0;
  options->timeout_seconds = strtoll(value, &end, 10);
  if (errno != 0 || end == value || *end != '\0' || options->timeout_seconds < 1 || options->timeout_seconds > 86400) {
    tool_complain("give whole seconds between 1 and 86400", "--timeout is no number of seconds: %s", value);
    return TOOL_USAGE;
  }
  return -1;
}

static int take_plugins(tool_options *options, const char *value) {
  size_t most = sizeof(options->plugin_paths) / sizeof(options->plugin_paths[0]) - 1;
  if (options->plugin_path_count == most) {
    tool_complain("put the plugins into fewer folders", "--plugins was given more than %zu times", most);
    return TOOL_USAGE;
  }
  return absolute_path(&options->plugin_paths[options->plugin_path_count++], value, "--plugins");
}

/* Returns -1 to go on. */
static int take_option(tool_options *options, char letter, const char *value) {
  switch (letter) {
  case 'r':
    options->repository = value;
    return -1;
  case 't':
    options->ticket = value;
    return -1;
  case 'j':
    options->job = value;
    return -1;
  case 'm':
    options->model = value;
    return -1;
  case 'T':
    return take_timeout(options, value);
  case 'D':
    options->login_kind = (int)MLOOM_LOGIN_DEVICE;
    return -1;
  case 'B':
    options->login_kind = (int)MLOOM_LOGIN_BROWSER;
    return -1;
  case 'k':
    options->login_kind = (int)MLOOM_LOGIN_API_KEY;
    return -1;
  case 'O':
    options->login_kind = (int)MLOOM_LOGIN_OUT;
    return -1;
  case 'o':
    options->output = value;
    return -1;
  case 'd':
    options->show_diff = 1;
    return -1;
  case 'J':
    options->json = 1;
    return -1;
  case 'n':
    options->no_self_test = 1;
    return -1;
  case 'N':
    options->no_readiness = 1;
    return -1;
  case 'P':
    return take_plugins(options, value);
  case 'C':
    return absolute_path(&options->config_path, value, "--config");
  case 'S':
    return absolute_path(&options->secrets_path, value, "--secrets");
  case 'v':
    options->verbose++;
    return -1;
  default:
    return take_color(options, value);
  }
}

static const tool_command *find_command(const char *name) {
  for (const tool_command *command = tool_commands; command->name != NULL; command++) {
    if (strcmp(command->name, name) == 0) {
      return command;
    }
  }
  return NULL;
}

static int complain_option(const tool_command *command, int argc, char **argv, int result) {
  const char *given = optind > 0 && optind <= argc ? argv[optind - 1] : "";
  tool_text safe = {NULL, 0, 0};
  tool_text remedy = {NULL, 0, 0};
  tool_text_add_safe(&safe, given, strlen(given), 0);
  tool_text_format(&remedy, "mergeloom %s%s--help", command != NULL ? command->name : "", command != NULL ? " " : "");
  if (result == ':') {
    tool_complain(tool_text_get(&remedy), "%s needs a value", tool_text_get(&safe));
  } else if (optopt != 0 && optopt < 256 && given[0] == '-' && given[1] == '-') {
    tool_complain(tool_text_get(&remedy), "%s takes no value", tool_text_get(&safe));
  } else if (given[0] == '-' && given[1] != '-') {
    tool_complain(tool_text_get(&remedy), "unknown option -%c in %s", optopt, tool_text_get(&safe));
  } else {
    tool_complain(tool_text_get(&remedy), "unknown option %s", tool_text_get(&safe));
  }
  tool_text_free(&safe);
  tool_text_free(&remedy);
  return TOOL_USAGE;
}

/* Reads options from optind on: those before the command when command is NULL, else its own, which may stand between
 * its arguments. Returns -1 to go on. */
static int read_some(tool_options *options, const tool_command *command, int argc, char **argv) {
  struct option longs[RULE_COUNT + 2];
  char shorts[2 * RULE_COUNT + 4] = ":";
  size_t count = 0;
  size_t short_size = 1;
  memset(longs, 0, sizeof(longs));
  if (command == NULL) {
    shorts[0] = '+';
    shorts[short_size++] = ':';
    longs[count++] = (struct option){"version", no_argument, NULL, 'V'};
  }
  for (size_t i = 0; i < RULE_COUNT; i++) {
    if (!takes(command, rules[i].letter)) {
      continue;
    }
    int has = rules[i].argument != NULL ? required_argument : no_argument;
    longs[count++] = (struct option){rules[i].name, has, NULL, rules[i].letter};
    if (rules[i].has_short) {
      shorts[short_size++] = rules[i].letter;
      if (has == required_argument) {
        shorts[short_size++] = ':';
      }
    }
  }
  opterr = 0;
  for (;;) {
    int result = getopt_long(argc, argv, shorts, longs, NULL);
    int status = -1;
    if (result == -1) {
      return -1;
    }
    if (result == '?' || result == ':') {
      return complain_option(command, argc, argv, result);
    }
    if (result == 'V') {
      printf("mergeloom %s\n", mloom_version());
      status = TOOL_OK;
    } else if (result == 'h') {
      if (command != NULL) {
        print_command_help(command);
      } else {
        print_help();
      }
      status = TOOL_OK;
    } else {
      status = take_option(options, (char)result, optarg);
    }
    if (status >= 0) {
      return status;
    }
  }
}

static int decide_color(const tool_options *options) {
  const char *no_color = getenv("NO_COLOR");
  if (options->color != TOOL_COLOR_AUTO) {
    return options->color == TOOL_COLOR_ALWAYS;
  }
  return tool_has_screen() && (no_color == NULL || no_color[0] == '\0');
}

int tool_read_options(tool_options *options, const tool_command **command, int argc, char **argv) {
  int status = read_some(options, NULL, argc, argv);
  if (status >= 0) {
    return status;
  }
  if (optind >= argc) {
    tool_complain("mergeloom --help lists the commands", "no command was given");
    return TOOL_USAGE;
  }
  const char *name = argv[optind];
  if (strcmp(name, "help") == 0) {
    const tool_command *asked = optind + 1 < argc ? find_command(argv[optind + 1]) : NULL;
    if (asked != NULL) {
      print_command_help(asked);
    } else {
      print_help();
    }
    return TOOL_OK;
  }
  *command = find_command(name);
  if (*command == NULL) {
    tool_text safe = {NULL, 0, 0};
    tool_text_add_safe(&safe, name, strlen(name), 0);
    tool_complain("mergeloom --help lists the commands", "unknown command \"%s\"", tool_text_get(&safe));
    tool_text_free(&safe);
    return TOOL_USAGE;
  }
  options->command = (*command)->name;
  argc -= optind;
  argv += optind;
  optind = 0; /* glibc: start afresh with the new vector */
  status = read_some(options, *command, argc, argv);
  if (status >= 0) {
    return status;
  }
  options->arguments = argv + optind;
  options->argument_count = argc - optind;
  options->color_on = decide_color(options);
  if ((*command)->maximum_arguments >= 0 && options->argument_count > (*command)->maximum_arguments) {
    const char *extra = options->arguments[(*command)->maximum_arguments];
    tool_complain("leave it out; --help shows the usage", "%s: too many arguments: %s", options->command, extra);
    return TOOL_USAGE;
  }
  return -1;
}

void tool_free_options(tool_options *options) {
  for (size_t i = 0; i < options->plugin_path_count; i++) {
    free(options->plugin_paths[i]);
  }
  free(options->config_path);
  free(options->secrets_path);
}
