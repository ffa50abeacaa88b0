/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <getopt.h>
#include <limits.h>
#include <link.h>
#include <mergeloom/mergeloom.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define ENTRY "mergeloom_plugin_init_v1"
#define COMMAND "mergeloom-plugin-check"

progress *now;

void begin_subject(const char *kind, const char *id) {
  snprintf(now->subject, sizeof(now->subject), "%s%s%.60s", kind, id[0] == '\0' ? "" : " ", id);
}

void begin_rule(const char *rule) {
  snprintf(now->rule, sizeof(now->rule), "%s", rule);
}

void end_rule(int state, const char *format, ...) {
  static const char *const names[] = {"pass", "FAIL", "warn", "skip"};
  va_list arguments;
  va_start(arguments, format);
  printf("%s  %s: %s: ", names[state], now->subject, now->rule);
  vprintf(format, arguments);
  va_end(arguments);
  putchar('\n');
  fflush(stdout);
  now->counts[state]++;
  now->rule[0] = '\0';
}

/* ---- The file ---- */

static int needs_our_library(const struct link_map *map) {
  const char *names = NULL;
  for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
    if (entry->d_tag == DT_STRTAB) {
      names = (const char *)entry->d_un.d_ptr;
    }
  }
  for (const ElfW(Dyn) *entry = map->l_ld; names != NULL && entry->d_tag != DT_NULL; entry++) {
    if (entry->d_tag == DT_NEEDED && strstr(names + entry->d_un.d_val, "libmergeloom") != NULL) {
      return 1;
    }
  }
  return 0;
}

static mloom_plugin_init_fn check_file(const char *path) {
  begin_subject("file", "");
  begin_rule("opens");
  void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (handle == NULL) {
    end_rule(STATE_FAIL, "%s", dlerror());
    return NULL;
  }
  end_rule(STATE_PASS, "every symbol that it uses is there");

  struct link_map *own = NULL;
  struct link_map *found = NULL;
  Dl_info info;
  dlinfo(handle, RTLD_DI_LINKMAP, &own);
  begin_rule("links nothing of ours");
  int needs = needs_our_library(own);
  end_rule(needs ? STATE_FAIL : STATE_PASS, "%s",
           needs ? "it links libmergeloom; the host table is all that a plugin needs" : "the host table is enough");

  begin_rule("entry");
  void *address = dlsym(handle, ENTRY);
  if (address == NULL || dladdr1(address, &info, (void **)&found, RTLD_DL_LINKMAP) == 0 || found != own) {
    end_rule(STATE_FAIL, "the file does not define and export " ENTRY);
    return NULL;
  }
  end_rule(STATE_PASS, ENTRY);
  mloom_plugin_init_fn init;
  memcpy(&init, &address, sizeof(init));
  return init;
}

/* ---- The host's own judgement ---- */

#define REASON_SIZE 600

static void take_failure(const mloom_plugin_info *info, void *userdata) {
  if (info->path[0] != '\0') {
    snprintf(userdata, REASON_SIZE, "%s", info->failure == NULL ? "" : info->failure);
  }
}

static void ask_host(const char *folder, char reason[REASON_SIZE]) {
  static const char *const environment[] = {NULL};
  const char *const folders[] = {folder, NULL};
  mloom_context_options options = {.size = sizeof(options), .plugin_paths = folders, .environment = environment};
  mloom_context *context = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  if (mloom_context_new(&context, &options, &error) != MLOOM_OK) {
    snprintf(reason, REASON_SIZE, "%s", error.message);
    return;
  }
  mloom_context_each_plugin(context, take_failure, reason);
  mloom_context_free(context);
}

static int check_acceptance(const char *path) {
  char folder[] = "/tmp/mergeloom-check-XXXXXX";
  char link_path[sizeof(folder) + 32];
  char reason[REASON_SIZE] = "the host did not find it";
  begin_rule("accepted by the host");
  if (mkdtemp(folder) == NULL) {
    end_rule(STATE_FAIL, "no temporary folder can be made");
    return 0;
  }
  snprintf(link_path, sizeof(link_path), "%s/mergeloom-checked.so", folder);
  if (symlink(path, link_path) == 0) {
    ask_host(folder, reason);
    unlink(link_path);
  }
  rmdir(folder);
  int accepted = reason[0] == '\0';
  end_rule(accepted ? STATE_PASS : STATE_FAIL, "%s",
           accepted ? "sizes, ids, lists and field schemas are in order" : reason);
  return accepted;
}

/* ---- The entry ---- */

static void shut_down(const mloom_plugin *plugin) {
  if (plugin != NULL && MLOOM_HAS(plugin, mloom_plugin, shutdown) && plugin->shutdown != NULL) {
    plugin->shutdown();
  }
}

/* The table of a host may end sooner; what the entry itself may use is always there. */
static void check_smaller_host(mloom_plugin_init_fn init, small_host *host) {
  begin_rule("entry in a smaller host");
  mloom_host smaller;
  memset(&smaller, 0, sizeof(smaller));
  memcpy(&smaller, &host->table, offsetof(mloom_host, secret_new));
  smaller.size = (uint32_t)offsetof(mloom_host, secret_new);
  char text[200] = "";
  const mloom_plugin *plugin = init(&smaller, text, sizeof(text));
  shut_down(plugin);
  if (plugin == NULL && (memchr(text, '\0', sizeof(text)) == NULL || text[0] == '\0')) {
    end_rule(STATE_FAIL, "it declines without a reason");
  } else {
    end_rule(STATE_PASS, "%s%s", plugin == NULL ? "it declines: " : "it loads", text);
  }
}

static const mloom_plugin *call_entry(mloom_plugin_init_fn init, small_host *host) {
  begin_rule("entry returns a descriptor");
  char text[200] = "";
  host->init_only = 1;
  const mloom_plugin *plugin = init(&host->table, text, sizeof(text));
  host->init_only = 0;
  const char *violation = take_violation(host);
  if (plugin == NULL) {
    end_rule(STATE_FAIL, "it declines: %.180s", text);
  } else if (violation != NULL) {
    end_rule(STATE_FAIL, "%s", violation);
  } else {
    end_rule(STATE_PASS, "%s %s, ABI %u.%u", plugin->name, plugin->version, plugin->abi_major, plugin->abi_minor);
  }
  return plugin;
}

static void check_shutdown(const mloom_plugin *plugin, small_host *host) {
  begin_subject("plugin", "");
  begin_rule("shutdown");
  shut_down(plugin);
  end_rule(host->blocks == 0 && host->secrets == 0 ? STATE_PASS : STATE_FAIL,
           "%lld blocks and %lld secrets of the host's kept", (long long)host->blocks, (long long)host->secrets);
  begin_rule("calls of the host");
  const char *violation = take_violation(host);
  end_rule(violation == NULL ? STATE_PASS : STATE_FAIL, "%s",
           violation == NULL ? "none where it may not be" : violation);
}

static void check_plugin(const char *path, const check_options *options) {
  mloom_plugin_init_fn init = check_file(path);
  begin_subject("plugin", "");
  /* What follows relies on a sound descriptor. */
  if (init == NULL || !check_acceptance(path)) {
    return;
  }
  static small_host host; /* outlives what the plugin may do at exit */
  small_host_init(&host, options->given);
  check_smaller_host(init, &host);
  const mloom_plugin *plugin = call_entry(init, &host);
  if (plugin == NULL) {
    return;
  }
  for (size_t i = 0; i < plugin->provider_count; i++) {
    check_provider(&host, plugin->providers[i], options);
  }
  for (size_t i = 0; i < plugin->credential_source_count; i++) {
    check_source(&host, plugin->credential_sources[i]);
  }
  for (size_t i = 0; i < plugin->resolver_layer_count; i++) {
    check_layer(plugin->resolver_layers[i]);
  }
  check_shutdown(plugin, &host);
}

/* ---- The command ---- */

static void usage(FILE *to) {
  fputs("usage: " COMMAND " [--set FIELD=VALUE]... [--answer FILE] PLUGIN.so\n"
        "\n"
        "Drives a plugin as a host does and prints one line for each rule of the ABI.\n"
        "\n"
        "  --set FIELD=VALUE  the value of a provider's setting; without it something plausible is used\n"
        "  --answer FILE      a recorded answer of the service, for the rules on decoding\n"
        "\n"
        "Exit status: 0 every rule is kept, 1 some rule is broken, 2 wrong usage.\n",
        to);
}

#define TIME_LIMIT_SECONDS 120

/* The plugin runs in a process of its own, so that its crash is a finding and not the end of the check. */
static int run(const char *path, const check_options *options) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    alarm(TIME_LIMIT_SECONDS); /* a plugin that hangs is a finding, too */
    check_plugin(path, options);
    free((void *)options->given);
    exit(0); /* with what the plugin registered: it must survive that too */
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) {
    fputs(COMMAND ": cannot start a process\n", stderr);
    return 2;
  }
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
    end_rule(STATE_FAIL, "the plugin did not return within %d seconds", TIME_LIMIT_SECONDS);
  } else if (WIFSIGNALED(status)) {
    end_rule(STATE_FAIL, "the plugin crashed: %s", strsignal(WTERMSIG(status)));
  } else if (WEXITSTATUS(status) != 0) {
    end_rule(STATE_FAIL, "the plugin ended the process with status %d", WEXITSTATUS(status));
  }
  printf("%u passed, %u failed, %u warnings, %u skipped\n", now->counts[STATE_PASS], now->counts[STATE_FAIL],
         now->counts[STATE_WARN], now->counts[STATE_SKIP]);
  return now->counts[STATE_FAIL] == 0 ? 0 : 1;
}

static int check(int argc, char **argv, const check_options *options) {
  char path[PATH_MAX];
  if (optind + 1 != argc) {
    usage(stderr);
    return 2;
  }
  if (realpath(argv[optind], path) == NULL) {
    fprintf(stderr, COMMAND ": %s: no such file\n", argv[optind]);
    return 2;
  }
  if (options->answer_path != NULL && access(options->answer_path, R_OK) != 0) {
    fprintf(stderr, COMMAND ": %s: cannot be read\n", options->answer_path);
    return 2;
  }
  return run(path, options);
}

int main(int argc, char **argv) {
  static const struct option long_options[] = {
      {"set", required_argument, NULL, 's'},
      {"answer", required_argument, NULL, 'a'},
      {"help", no_argument, NULL, 'h'},
      {"version", no_argument, NULL, 'V'},
      {NULL, 0, NULL, 0},
  };
  const char **given = calloc((size_t)argc + 1, sizeof(*given));
  now = mmap(NULL, sizeof(*now), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (given == NULL || now == MAP_FAILED) {
    fputs(COMMAND ": out of memory\n", stderr);
    free(given);
    return 2;
  }
  size_t count = 0;
  check_options options = {given, NULL};
  int result = -1;
  int option;
  while (result < 0 && (option = getopt_long(argc, argv, "hV", long_options, NULL)) != -1) {
    switch (option) {
    case 's':
      given[count++] = optarg;
      break;
    case 'a':
      options.answer_path = optarg;
      break;
    case 'h':
      usage(stdout);
      result = 0;
      break;
    case 'V':
      printf(COMMAND " %s\n", mloom_version());
      result = 0;
      break;
    default:
      usage(stderr);
      result = 2;
    }
  }
  if (result < 0) {
    result = check(argc, argv, &options);
  }
  free(given);
  return result;
}
