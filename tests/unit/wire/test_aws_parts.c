/* SPDX-License-Identifier: Apache-2.0
 *
 * Parts of the AWS sources that no comparison with another program reaches: XML, helper programs, what probes may do.
 */
#include "harness.h"

#include <stdlib.h>

#include "credential-aws/aws.h"
#include "credential-aws/xml.h"
#include "plugin/host.h"
#include "secret/crypto.h"
#include "secret/secret.h"

/* ---- XML ---- */

static int32_t on_leaf(mloom_bytes parent, mloom_bytes name, mloom_bytes text, void *userdata) {
  return mloom_buffer_append_format(userdata, "%.*s.%.*s=%.*s;", (int)parent.size, parent.data, (int)name.size,
                                    name.data, (int)text.size, text.data);
}

static void test_xml(void) {
  static const struct {
    const char *text;
    const char *leaves; /* NULL: refused */
  } cases[] = {
      {"<a/>", ".a=;"},
      {"<a></a>", ".a=;"},
      {"<?xml version=\"1.0\"?>\n<a>b</a>\n", ".a=b;"},
      {"\xEF\xBB\xBF<a>b</a>", ".a=b;"},
      {"<a><b>1</b><b>2</b>text<c/></a>", "a.b=1;a.b=2;a.c=;"},
      {"<x:a xmlns:x='y>z'><x:b c=\"/>\">d</x:b></x:a>", "a.b=d;"},
      {"<a>&lt;&amp;&gt;&quot;&apos;&#65;&#x42;&#xe9;&#x20AC;&#x1F600;</a>",
       ".a=<&>\"'AB\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80;"},
      {"<a><![CDATA[<b>&amp;]]>c</a>", ".a=<b>&amp;c;"},
      {"<!-- <x> --><a>b<!-- c -->d</a>", ".a=bd;"},
      {"<a ><b\n/></a >", "a.b=;"},
      {"", NULL},
      {"text", NULL},
      {"<a>", NULL},
      {"<a></b>", NULL},
      {"<a></a><b/>", NULL},
      {"<a></a>x", NULL},
      {"x<a></a>", NULL},
      {"<a><b></a></b>", NULL},
      {"</a>", NULL},
      {"<a", NULL},
      {"<a b=\"c></a>", NULL},
      {"<a>&amp</a>", NULL},
      {"<a>&unknown;</a>", NULL},
      {"<a>&#0;</a>", NULL},
      {"<a>&#xD800;</a>", NULL},
      {"<a>&#x110000;</a>", NULL},
      {"<a>&#;</a>", NULL},
      {"<a>&#12x;</a>", NULL},
      {"&amp;<a/>", NULL},
      {"<a><![CDATA[b</a>", NULL},
      {"<![CDATA[b]]>", NULL},
      {"<!-- <a/>", NULL},
      {"<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", NULL},
      {"<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>", NULL},
      {"<a>\xFF</a>", NULL},
      {"< a/>", NULL},
      {"<a/ >", NULL},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    mloom_buffer got = MLOOM_BUFFER_INIT;
    int32_t code = mloom_aws_xml_read((mloom_bytes){cases[i].text, strlen(cases[i].text)}, on_leaf, &got);
    CU_ASSERT_EQUAL(code, cases[i].leaves == NULL ? MLOOM_E_INVALID : MLOOM_OK);
    if (cases[i].leaves != NULL) {
      UNIT_ASSERT_STRING(mloom_buffer_string(&got), cases[i].leaves);
    }
    mloom_buffer_free(&got);
  }
}

static void test_xml_depth(void) {
  mloom_buffer text = MLOOM_BUFFER_INIT;
  mloom_buffer got = MLOOM_BUFFER_INIT;
  for (size_t depth = MLOOM_AWS_XML_DEPTH; depth <= MLOOM_AWS_XML_DEPTH + 1; depth++) {
    mloom_buffer_clear(&text);
    for (size_t i = 0; i < depth; i++) {
      mloom_buffer_append_string(&text, "<a>");
    }
    for (size_t i = 0; i < depth; i++) {
      mloom_buffer_append_string(&text, "</a>");
    }
    int32_t code = mloom_aws_xml_read((mloom_bytes){mloom_buffer_string(&text), text.size}, on_leaf, &got);
    CU_ASSERT_EQUAL(code, depth == MLOOM_AWS_XML_DEPTH ? MLOOM_OK : MLOOM_E_INVALID);
  }
  mloom_buffer_free(&text);
  mloom_buffer_free(&got);
}

/* ---- A host whose network and programs are made up ---- */

static char config_path[64];
static const char *environment[16];
static int32_t spawn_code;
static const char *spawn_output;
static size_t spawn_repeat;
static size_t spawned;
static mloom_buffer seen = MLOOM_BUFFER_INIT; /* argv, directory, environment of the program */
static uint64_t seen_timeout_ms;

static int32_t spawn(void *ctx, mloom_call *call, const mloom_process_request *request, const mloom_process_sink *sink,
                     mloom_error *error) {
  (void)ctx;
  (void)call;
  (void)error;
  spawned++;
  mloom_buffer_clear(&seen);
  for (const char *const *word = request->argv; *word != NULL; word++) {
    mloom_buffer_append_format(&seen, "<%s>", *word);
  }
  mloom_buffer_append_format(&seen, "%s\n", request->working_directory);
  for (const char *const *one = request->environment; *one != NULL; one++) {
    mloom_buffer_append_format(&seen, "%s\n", *one);
  }
  seen_timeout_ms = request->total_timeout_ms;
  int32_t code = spawn_code;
  for (size_t i = 0; code == MLOOM_OK && i < spawn_repeat; i++) {
    code = sink->output(spawn_output, strlen(spawn_output), sink->userdata);
  }
  return code == MLOOM_OK ? sink->exited(0, 0, sink->userdata) : code;
}

static int32_t no_network(void *ctx, mloom_call *call, const mloom_http_request *request, const mloom_http_sink *sink,
                          mloom_error *error) {
  (void)ctx;
  (void)call;
  (void)sink;
  (void)error;
  CU_FAIL("a request was made");
  fprintf(stderr, "%s\n", request->url);
  return MLOOM_E_UNAVAILABLE;
}

static int32_t no_setting(const mloom_settings *settings, const char *name, mloom_setting *out) {
  (void)settings;
  (void)name;
  (void)out;
  return MLOOM_E_NOT_FOUND;
}

typedef struct fixture {
  mloom_crypto_engine *engine;
  mloom_host_services services;
  mloom_host host;
  const mloom_credential_source *chain;
  void *instance;
  mloom_error error;
} fixture;

static void begin(fixture *self) {
  memset(self, 0, sizeof(*self));
  self->error = (mloom_error)MLOOM_ERROR_INIT;
  UNIT_ASSERT_CODE(mloom_crypto_engine_new(&self->engine, &self->error), MLOOM_OK, &self->error);
  self->services = (mloom_host_services){.clock = mloom_clock_system(),
                                         .crypto = mloom_crypto_engine_table(self->engine),
                                         .environment = environment,
                                         .setting_get = no_setting};
  mloom_host_init(&self->host, &self->services);
  self->host.http = no_network;
  self->host.spawn = spawn;
  char text[200] = "";
  const mloom_plugin *plugin = mergeloom_plugin_init_v1(&self->host, text, sizeof(text));
  CU_ASSERT_PTR_NOT_NULL_FATAL(plugin);
  CU_ASSERT_EQUAL_FATAL(plugin->credential_source_count, 3);
  self->chain = plugin->credential_sources[2];
  UNIT_ASSERT_STRING(self->chain->id, "aws-default-chain");
  const mloom_open_args args = {.size = (uint32_t)sizeof(args), .host = &self->host};
  UNIT_ASSERT_CODE(self->chain->open(&args, &self->instance, &self->error), MLOOM_OK, &self->error);
  spawned = 0;
  spawn_code = MLOOM_OK;
  spawn_repeat = 1;
}

static void end(fixture *self) {
  self->chain->close(self->instance);
  mloom_crypto_engine_free(self->engine);
  mloom_buffer_free(&seen);
  if (config_path[0] != '\0') {
    remove(config_path);
  }
}

/* Writes a config file and names it in the variables. */
static void use_config(const char *text) {
  static char variable[96];
  strcpy(config_path, "/tmp/mergeloom-aws-XXXXXX");
  int fd = mkstemp(config_path);
  FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
  CU_ASSERT_PTR_NOT_NULL_FATAL(file);
  fputs(text, file);
  fclose(file);
  snprintf(variable, sizeof(variable), "AWS_CONFIG_FILE=%s", config_path);
  const char *const list[] = {variable,
                              "AWS_EC2_METADATA_DISABLED=true",
                              "PATH=/nonexistent:/bin",
                              "HOME=/home/of-tests",
                              "AWS_REGION=eu-west-1",
                              "JCA_ANTHROPIC_API_KEY=test-key-of-another",
                              "LD_PRELOAD=/tmp/evil.so",
                              NULL};
  memcpy(environment, list, sizeof(list));
}

static int32_t fetch(fixture *self, mloom_credential *out) {
  const mloom_credential_args args = {.size = (uint32_t)sizeof(args), .audience = "bedrock/eu-west-1"};
  self->error = (mloom_error)MLOOM_ERROR_INIT;
  *out = (mloom_credential){.size = (uint32_t)sizeof(*out), .expires_wall_ms = -1};
  return self->chain->fetch(self->instance, NULL, &args, out, &self->error);
}

#define KEY "{\"Version\":1,\"AccessKeyId\":\"of.process\",\"SecretAccessKey\":\"test-secret\"}"

static void test_program(void) {
  fixture self;
  mloom_credential credential;
  use_config("[default]\ncredential_process = sh -c 'exit 3' \"a b\"\n");
  begin(&self);
  spawn_output = KEY;
  UNIT_ASSERT_CODE(fetch(&self, &credential), MLOOM_OK, &self.error);
  mloom_secret_unref(credential.secret);
  const char *got = mloom_buffer_string(&seen);
  CU_ASSERT_EQUAL(strncmp(got, "</bin/sh><-c><exit 3><a b>/", 27), 0);
  CU_ASSERT_PTR_NOT_NULL(strstr(got, "\nHOME=/home/of-tests\n"));
  CU_ASSERT_PTR_NOT_NULL(strstr(got, "\nAWS_REGION=eu-west-1\n"));
  CU_ASSERT_PTR_NULL(strstr(got, "JCA_"));
  CU_ASSERT_PTR_NULL(strstr(got, "LD_PRELOAD"));
  CU_ASSERT_EQUAL(seen_timeout_ms, 60000);
  end(&self);
}

static void test_program_fails(void) {
  fixture self;
  mloom_credential credential;
  use_config("[default]\ncredential_process = /bin/true\n");
  begin(&self);
  spawn_code = MLOOM_E_TIMEOUT;
  UNIT_ASSERT_CODE(fetch(&self, &credential), MLOOM_E_UNAVAILABLE, &self.error);
  CU_ASSERT_PTR_NOT_NULL(strstr(self.error.message, "/bin/true did not end within 60 s"));
  CU_ASSERT_NOT_EQUAL(self.error.remedy[0], '\0');
  spawn_code = MLOOM_OK;
  spawn_output = "                                                                ";
  spawn_repeat = 1025; /* more than 64 KiB */
  UNIT_ASSERT_CODE(fetch(&self, &credential), MLOOM_E_LIMIT, &self.error);
  CU_ASSERT_PTR_NOT_NULL(strstr(self.error.message, "printed more than 65536 bytes"));
  CU_ASSERT_EQUAL(spawned, 2);
  end(&self);
}

/* probe is asked for every request, and may neither wait nor run anything. */
static void test_probe(void) {
  fixture self;
  use_config("[default]\ncredential_process = /bin/true\n");
  begin(&self);
  const mloom_credential_args args = {.size = (uint32_t)sizeof(args), .audience = "bedrock/eu-west-1"};
  CU_ASSERT_EQUAL(self.chain->probe(self.instance, &args, &self.error), MLOOM_OK);
  CU_ASSERT_EQUAL(spawned, 0);
  end(&self);
}

static int32_t count_header(const mloom_header *header, void *userdata) {
  (void)header;
  ++*(size_t *)userdata;
  return MLOOM_OK;
}

/* A key signs as long as anybody holds it; long after it was replaced this is an error, not another key. */
static void test_old_keys(void) {
  fixture self;
  mloom_credential first;
  mloom_credential later;
  size_t headers = 0;
  use_config("[default]\ncredential_process = /bin/true\n");
  begin(&self);
  spawn_output = KEY;
  const mloom_credential_args args = {.size = (uint32_t)sizeof(args), .audience = "bedrock/eu-west-1"};
  const mloom_http_request request = {
      .size = (uint32_t)sizeof(request), .method = "GET", .url = "https://service.example/"};
  const mloom_header_sink sink = {.size = (uint32_t)sizeof(sink), .userdata = &headers, .header = count_header};
  UNIT_ASSERT_CODE(fetch(&self, &first), MLOOM_OK, &self.error);
  for (int i = 0; i < 63; i++) {
    UNIT_ASSERT_CODE(fetch(&self, &later), MLOOM_OK, &self.error);
    mloom_secret_unref(later.secret);
  }
  UNIT_ASSERT_CODE(self.chain->authorize(self.instance, &args, &first, &request, &sink, &self.error), MLOOM_OK,
                   &self.error);
  CU_ASSERT_EQUAL(headers, 2);
  UNIT_ASSERT_CODE(fetch(&self, &later), MLOOM_OK, &self.error);
  UNIT_ASSERT_CODE(self.chain->authorize(self.instance, &args, &later, &request, &sink, &self.error), MLOOM_OK,
                   &self.error);
  CU_ASSERT_EQUAL(self.chain->authorize(self.instance, &args, &first, &request, &sink, &self.error), MLOOM_E_EXPIRED);
  mloom_secret_unref(first.secret);
  mloom_secret_unref(later.secret);
  end(&self);
}

static const unit_test tests[] = {
    {"XML is read as it is meant", test_xml},
    {"XML is no deeper than it may be", test_xml_depth},
    {"a program gets its words and no other provider's keys", test_program},
    {"a program that hangs or says too much", test_program_fails},
    {"a probe asks nobody", test_probe},
    {"keys that were replaced", test_old_keys},
};
UNIT_MAIN("aws parts", tests)
