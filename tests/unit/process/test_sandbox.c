/* SPDX-License-Identifier: Apache-2.0
 *
 * Attacks on the sandbox by a real python3, git and gcc. Each attack is also run without the sandbox, where it has to
 * succeed: otherwise its refusal would prove nothing. Built twice, with namespaces and without.
 */
#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "process/sandbox_proof.h"
#include "process/supervise_protocol.h"

/* argv of each attack: 1 workspace, 2 outside, 3 secret, 4 port, 5 Unix socket, 6 abstract name, 7 this process. What
 * body does is refused when it raises OSError. */
static const char frame[] = "import os, sys, socket, ctypes, errno, subprocess\n"
                            "workspace, outside, secret, port, path, name, victim = sys.argv[1:8]\n"
                            "libc = ctypes.CDLL(None, use_errno=True)\n"
                            "def check(result):\n"
                            "  if result < 0: raise OSError(ctypes.get_errno(), 'system call')\n"
                            "  return result\n"
                            "def call(*arguments): return check(libc.syscall(*arguments))\n"
                            "def attack():\n"
                            "%s\n"
                            "try: attack()\n"
                            "except OSError as e: print('refused', errno.errorcode.get(e.errno, e.errno))\n"
                            "else: print('done')\n";

typedef struct site {
  fixture here;
  int tcp;
  int local;
  int abstract;
  char port[8];
  char path[96];
  char name[64];
  char victim[16];
} site;

static int listen_on_unix(const char *name, int is_abstract) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path + is_abstract, name, sizeof(address.sun_path) - 2);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  socklen_t size = (socklen_t)(sizeof(sa_family_t) + strlen(name) + 1);
  CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&address, size), 0);
  CU_ASSERT_EQUAL_FATAL(listen(fd, 16), 0);
  return fd;
}

static void site_new(site *self) {
  fixture_new(&self->here);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof(address);
  self->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CU_ASSERT_EQUAL_FATAL(bind(self->tcp, (struct sockaddr *)&address, size), 0);
  CU_ASSERT_EQUAL_FATAL(listen(self->tcp, 16), 0);
  CU_ASSERT_EQUAL_FATAL(getsockname(self->tcp, (struct sockaddr *)&address, &size), 0);
  snprintf(self->port, sizeof(self->port), "%u", ntohs(address.sin_port));
  snprintf(self->path, sizeof(self->path), "%s/socket", self->here.outside);
  snprintf(self->name, sizeof(self->name), "mergeloom-test-%s", self->here.root + 5);
  snprintf(self->victim, sizeof(self->victim), "%d", (int)getpid());
  self->local = listen_on_unix(self->path, 0);
  self->abstract = listen_on_unix(self->name, 1);
}

static void site_free(site *self) {
  close(self->tcp);
  close(self->local);
  close(self->abstract);
  fixture_free(&self->here);
}

static void run_attack(const site *self, int confined, uint32_t network, const char *body, outcome *result) {
  mloom_buffer script = MLOOM_BUFFER_INIT;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  mloom_buffer_append_format(&script, frame, body);
#pragma GCC diagnostic pop
  const char *const argv[] = {"/usr/bin/python3",
                              "-c",
                              script.data,
                              self->here.workspace,
                              self->here.outside,
                              self->here.secret,
                              self->port,
                              self->path,
                              self->name,
                              self->victim,
                              NULL};
  mloom_sandbox sandbox = fixture_sandbox(&self->here);
  sandbox.allow_network = network;
  mloom_process_plan plan = fixture_plan(&self->here, argv, confined ? &sandbox : NULL);
  fixture_run_plan(NULL, &plan, result);
  UNIT_ASSERT_CODE(result->code, MLOOM_OK, &result->error);
  mloom_buffer_free(&script);
}

static const char *judge(const outcome *result) {
  const char *text = mloom_buffer_string(&result->output);
  return strncmp(text, "refused", 7) == 0 ? "refused" : strcmp(text, "done\n") == 0 ? "done" : text;
}

static void expect_in(int confined, uint32_t network, const char *body, const char *expected) {
  site self;
  site_new(&self);
  outcome result;
  run_attack(&self, confined, network, body, &result);
  if (strcmp(judge(&result), expected) != 0) {
    fprintf(stderr, "%s, %s: %s\n", confined ? "confined" : "unconfined", body, judge(&result));
  }
  UNIT_ASSERT_STRING(judge(&result), expected);
  outcome_free(&result);
  site_free(&self);
}

/* Possible without the sandbox, impossible in it. */
static void expect_refused(const char *body) {
  expect_in(0, 0, body, "done");
  expect_in(1, 0, body, "refused");
}

static void expect_allowed(const char *body) {
  expect_in(1, 0, body, "done");
}

static void test_reading(void) {
  expect_refused("  open(secret).read()");
  expect_refused("  os.listdir(outside)");
  expect_refused("  open('/proc/self/root' + secret).read()");
  expect_refused("  open('../outside/secret').read()");
  expect_refused("  os.symlink(secret, 'link'); open('link').read()");
  expect_refused("  os.symlink('..', 'up'); open('up/outside/secret').read()");
  expect_refused("  if subprocess.call(['cat', secret], stdout=-3, stderr=-3) != 0: raise OSError(0, 'cat')");
  expect_refused("  os.listdir('/var')");
  expect_refused("  os.listdir('/tmp')");
  expect_refused("  os.listdir('/home')");
  if (geteuid() == 0) {
    expect_refused("  open('/etc/shadow').read()");
    expect_refused("  os.listdir('/root')");
    expect_refused("  os.listdir('/etc/ssl/private')");
  }
}

static void test_writing(void) {
  expect_refused("  open(outside + '/new', 'w')");
  expect_refused("  open(secret, 'a')");
  expect_refused("  os.truncate(secret, 0)");
  expect_refused("  os.open(secret, os.O_RDONLY | os.O_TRUNC)");
  expect_refused("  os.unlink(secret)");
  expect_refused("  os.mkdir(outside + '/new')");
  expect_refused("  os.symlink('x', outside + '/new')");
  expect_refused("  os.mkfifo(outside + '/new')");
  expect_refused("  os.rename(secret, 'stolen')");
  expect_refused("  open('own', 'w'); os.rename('own', outside + '/new')");
  expect_refused("  os.link(secret, 'stolen')");
  expect_refused("  open('own', 'w'); os.link('own', outside + '/new')");
  expect_refused("  open('/proc/self/comm', 'w').write('x')");
  if (geteuid() == 0) {
    expect_refused("  open('/usr/mergeloom-test', 'w'); os.unlink('/usr/mergeloom-test')");
  }
}

/* What Landlock does not govern, a read-only mount does; without namespaces it cannot be had. */
static void test_changing_modes(void) {
  site self;
  site_new(&self);
  outcome result;
  fixture_shell(&self.here, 1, "true", &result);
  int read_only = (result.report.layers & SUPERVISE_READ_ONLY_REST) != 0;
  CU_ASSERT_EQUAL(read_only && namespaces_refused(), 0);
  outcome_free(&result);
  site_free(&self);
  if (read_only) {
    expect_refused("  os.chmod(secret, 0o666)");
    expect_refused("  os.utime(secret, (0, 0))");
    expect_refused("  os.chown(secret, os.getuid(), os.getgid())");
    expect_refused("  os.setxattr(secret, 'user.mergeloom', b'x')");
  }
}

static void test_network(void) {
  expect_refused("  socket.create_connection(('127.0.0.1', int(port)))");
  expect_refused("  socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', int(port)))");
  expect_refused("  socket.socket(socket.AF_INET6, socket.SOCK_STREAM)");
  expect_refused("  socket.socket(socket.AF_UNIX).connect(path)");
  expect_refused("  socket.socket(socket.AF_UNIX).connect('\\0' + name)");
  expect_refused("  socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)");
  expect_refused("  s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()");
  expect_allowed("  a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'");
  expect_allowed("  socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)");
  /* Either end of these may name any datagram socket of the machine. */
  expect_refused("  socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)");
  expect_refused("  socket.socketpair(socket.AF_UNIX, socket.SOCK_RAW)");
}

static void test_network_allowed(void) {
  expect_in(1, 1, "  socket.create_connection(('127.0.0.1', int(port)))", "done");
  expect_in(1, 1, "  socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', int(port)))", "done");
  expect_in(1, 1, "  socket.getaddrinfo('localhost', 80)", "done");
  expect_in(1, 1, "  open('/etc/resolv.conf').read()", access("/etc/resolv.conf", R_OK) == 0 ? "done" : "refused");
  /* Behind Unix sockets sit other programs, which would do what the sandbox forbids. */
  expect_in(1, 1, "  socket.socket(socket.AF_UNIX).connect(path)", "refused");
  expect_in(1, 1, "  socket.socket(socket.AF_UNIX).connect('\\0' + name)", "refused");
  expect_in(1, 1, "  socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)", "refused");
  expect_in(1, 1, "  socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)", "refused");
  expect_in(1, 1, "  open(secret).read()", "refused");
}

static void test_other_processes(void) {
  expect_refused("  open('/proc/%s/environ' % victim).read()");
  expect_refused("  open('/proc/%s/mem' % victim, 'rb')");
  expect_refused("  open('/proc/%s/cmdline' % victim).read()");
  expect_in(1, 0, "  open('/proc/%d/environ' % os.getppid()).read()", "refused");
  expect_refused("  os.kill(int(victim), 0)");
  /* Limits of another process can end it, and so can the signals of a file that it is made the owner of. */
  expect_refused("  import resource; resource.prlimit(int(victim), resource.RLIMIT_CORE)");
  expect_refused("  import fcntl; fcntl.fcntl(socket.socketpair()[0], fcntl.F_SETOWN, int(victim))");
  expect_refused("  import fcntl, struct; fcntl.fcntl(socket.socketpair()[0], 15, struct.pack('ii', 1, int(victim)))");
  expect_refused("  import fcntl, struct; fcntl.ioctl(socket.socketpair()[0], 0x8901, struct.pack('i', int(victim)))");
  expect_refused("  import fcntl, struct; fcntl.ioctl(socket.socketpair()[0], 0x8902, struct.pack('i', int(victim)))");
  expect_allowed("  import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))");
  /* Signals to its own, on the other hand, are its own affair. */
  expect_allowed("  p = subprocess.Popen(['sleep', '1000']); p.kill(); assert p.wait() == -9");
  expect_allowed("  os.kill(os.getpid(), 0)");
  expect_allowed("  p = subprocess.Popen(['sleep', '1000'], start_new_session=True); os.killpg(p.pid, 9); "
                 "assert p.wait() == -9");
  expect_allowed("  import signal; signal.signal(10, lambda *a: None); os.kill(0, 10); signal.raise_signal(10)");
}

/* Numbers of x86-64 and aarch64 alike, except where named by the headers. */
static void test_system_calls(void) {
  char body[256];
  static const struct {
    long number;
    const char *arguments;
  } calls[] = {
      {SYS_ptrace, "0, 0, 0, 0"},
      {SYS_process_vm_readv, "1, 0, 0, 0, 0, 0"},
      {SYS_unshare, "0x10000000"},
      {SYS_unshare, "0x20000"},
      {SYS_setns, "0, 0"},
      {SYS_mount, "0, 0, 0, 0, 0"},
      {SYS_chroot, "b'/'"},
      {SYS_bpf, "0, 0, 0"},
      {SYS_perf_event_open, "0, 0, 0, 0"},
      {SYS_keyctl, "0, 0, 0"},
      {SYS_add_key, "0, 0, 0, 0, 0"},
      {SYS_open_by_handle_at, "0, 0, 0"},
      {SYS_userfaultfd, "0"},
      {SYS_kexec_load, "0, 0, 0, 0"},
      {425, "1, 0"} /* io_uring_setup */,
      {428, "0, b'/', 0"} /* open_tree */,
      {SYS_clone, "0x10000011, 0, 0, 0, 0"},
  };
  for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
    /* EPERM by the filter: most of these would fail with another error without it. */
    snprintf(body, sizeof(body),
             "  try: call(%ld, %s)\n"
             "  except OSError as e:\n"
             "    if e.errno == errno.EPERM: raise\n"
             "    print('another error', e.errno)",
             calls[i].number, calls[i].arguments);
    expect_in(1, 0, body, "refused");
  }
  expect_refused("  open('f', 'w'); os.chmod('f', 0o4755)");
  expect_refused("  os.close(os.open('f', os.O_CREAT | os.O_WRONLY, 0o4755))");
  expect_allowed("  open('f', 'w'); os.chmod('f', 0o755)");
}

static void test_privileges(void) {
  expect_allowed("  s = dict(l.split(':\\t') for l in open('/proc/self/status').read().splitlines() if ':\\t' in l)\n"
                 "  assert s['NoNewPrivs'] == '1', s\n"
                 "  assert s['Seccomp'] == '2', s\n"
                 "  kept = {1 << n for n in (0, 1, 3)}\n" /* CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER */
                 "  for c in ('CapEff', 'CapPrm', 'CapBnd' if os.getuid() == 0 else 'CapInh', 'CapAmb'):\n"
                 "    assert int(s[c], 16) & ~sum(kept if os.getuid() == 0 else set()) == 0, (c, s[c])\n");
  if (geteuid() == 0) {
    expect_refused("  os.setuid(65534)");
    expect_refused("  os.mknod('null', 0o20600, os.makedev(1, 3))");
    expect_in(1, 0, "  os.setpriority(os.PRIO_PROCESS, 0, -5)", "refused");
  }
}

static void test_ordinary_work(void) {
  expect_allowed("  open('f', 'w').write('x'); assert open('f').read() == 'x'; os.rename('f', 'g'); os.unlink('g')");
  expect_allowed("  os.makedirs('a/b'); open('a/f', 'w'); os.rename('a/f', 'a/b/f'); os.link('a/b/f', 'a/l')");
  expect_allowed("  assert subprocess.check_output(['sh', '-c', 'echo hi | cat']) == b'hi\\n'");
  expect_allowed("  import threading; t = threading.Thread(target=print, args=('',), kwargs={'end': ''}); t.start(); "
                 "t.join()");
  expect_allowed("  import tempfile; tempfile.tempdir = workspace; tempfile.TemporaryFile().write(b'x')");
  expect_allowed("  open('/dev/null', 'w').write('x'); open('/dev/urandom', 'rb').read(1); open('/dev/zero', "
                 "'rb').read(1)");
  expect_allowed("  assert os.path.samefile('/proc/self/exe', sys.executable); open('/proc/self/maps').read()");
  expect_allowed("  open('/proc/cpuinfo').read(); open('/proc/meminfo').read(); assert os.cpu_count() > 0");
  expect_allowed("  import pwd, ssl, json, sqlite3, zlib; pwd.getpwuid(0); assert os.getuid() == os.stat('.').st_uid");
  expect_allowed("  import mmap; m = mmap.mmap(-1, 4096); m[0] = 1; os.memfd_create('x')");
  expect_allowed("  r = os.open('/usr', os.O_RDONLY); assert len(os.listdir(r)) > 3");
}

static void test_files_of_another_user(void) {
  if (geteuid() != 0) {
    CU_PASS("only root works in folders of others");
    return;
  }
  site self;
  site_new(&self);
  CU_ASSERT_EQUAL(chown(self.here.workspace, 12345, 12345), 0);
  outcome result;
  run_attack(&self, 1, 0, "  open('f', 'w').write('x'); os.unlink('f'); os.mkdir('d')", &result);
  UNIT_ASSERT_STRING(judge(&result), "done");
  outcome_free(&result);
  site_free(&self);
}

static void test_git(void) {
  fixture here;
  fixture_new(&here);
  outcome result;
  fixture_shell(&here, 1,
                "set -e; export HOME=$PWD GIT_CONFIG_NOSYSTEM=1\n"
                "git init -q -b main repository; cd repository\n"
                "git config user.name Test; git config user.email test@example.invalid\n"
                "echo one > file; git add file; git commit -q -m first; echo two >> file\n"
                "git status --short; git diff --stat | tail -1; git commit -q -a -m second; git log --format=%s\n"
                "git gc -q; git fsck 2>&1",
                &result);
  CU_ASSERT_EQUAL(result.report.exit_code, 0);
  UNIT_ASSERT_STRING(mloom_buffer_string(&result.output), " M file\n 1 file changed, 1 insertion(+)\nsecond\nfirst\n");
  outcome_free(&result);
  fixture_free(&here);
}

static void test_compiler(void) {
  if (access("/usr/bin/cc", X_OK) != 0) {
    CU_PASS("no compiler here");
    return;
  }
  fixture here;
  fixture_new(&here);
  outcome result;
  fixture_shell(
      &here, 1,
      "set -e; export TMPDIR=$PWD\n"
      "printf '#include <stdio.h>\\nint main(void) { puts(\"built\"); return 0; }\\n' > a.c\n"
      "cc -O1 -o a a.c; ./a; printf 'all: b\\nb: a.c\\n\\tcc -c -o b a.c\\n' > Makefile; make -s -j4; test -s b",
      &result);
  CU_ASSERT_EQUAL(result.report.exit_code, 0);
  UNIT_ASSERT_STRING(mloom_buffer_string(&result.output), "built\n");
  outcome_free(&result);
  fixture_free(&here);
}

static void test_read_paths(void) {
  site self;
  site_new(&self);
  const char *const read_paths[] = {self.here.outside, "/no/such/folder", NULL};
  const char *const argv[] = {"/bin/sh", "-c", "cat \"$0\" && ! echo x 2>/dev/null >> \"$0\"", self.here.secret, NULL};
  mloom_sandbox sandbox = fixture_sandbox(&self.here);
  sandbox.read_paths = read_paths;
  mloom_process_plan plan = fixture_plan(&self.here, argv, &sandbox);
  outcome result;
  fixture_run_plan(NULL, &plan, &result);
  CU_ASSERT_EQUAL(result.report.exit_code, 0);
  UNIT_ASSERT_STRING(mloom_buffer_string(&result.output), "not-a-real-secret");
  outcome_free(&result);
  site_free(&self);
}

static void test_several_write_paths(void) {
  site self;
  site_new(&self);
  char inner[96];
  snprintf(inner, sizeof(inner), "%s/inner", self.here.workspace);
  CU_ASSERT_EQUAL(mkdir(inner, 0700), 0);
  const char *const write_paths[] = {self.here.outside, inner, self.here.workspace, self.here.workspace, NULL};
  const char *const argv[] = {"/bin/sh", "-c", "echo a > f && mv f inner/g && cp inner/g \"$0/h\" && cat \"$0/h\"",
                              self.here.outside, NULL};
  mloom_sandbox sandbox = fixture_sandbox(&self.here);
  sandbox.write_paths = write_paths;
  mloom_process_plan plan = fixture_plan(&self.here, argv, &sandbox);
  outcome result;
  fixture_run_plan(NULL, &plan, &result);
  CU_ASSERT_EQUAL(result.report.exit_code, 0);
  UNIT_ASSERT_STRING(mloom_buffer_string(&result.output), "a\n");
  outcome_free(&result);
  /* What was written is there for us, too: the mounts are only the sandbox's. */
  char path[128];
  snprintf(path, sizeof(path), "%s/h", self.here.outside);
  CU_ASSERT_EQUAL(access(path, F_OK), 0);
  snprintf(path, sizeof(path), "%s/ours", self.here.outside);
  CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
  site_free(&self);
}

static void test_proof(void) {
  fixture here;
  fixture_new(&here);
  mloom_sandbox_proof proof;
  mloom_error error = MLOOM_ERROR_INIT;
  const char *supervise = getenv("MERGELOOM_SUPERVISE");
  UNIT_ASSERT_CODE(mloom_sandbox_prove(NULL, supervise, here.root, &proof, &error), MLOOM_OK, &error);
  fprintf(stderr, "[%s]\n", proof.detail);
  CU_ASSERT_EQUAL(proof.landlock_abi, mloom_sandbox_landlock_abi());
  CU_ASSERT(proof.landlock_abi > 0);
  CU_ASSERT_EQUAL(proof.files, 1);
  CU_ASSERT_EQUAL(proof.network, 1);
  CU_ASSERT_EQUAL(proof.processes, 1);
  CU_ASSERT_EQUAL(proof.tree, 1);
  CU_ASSERT(strstr(proof.detail, "hold") != NULL);
  /* The same attacks without a sandbox: a proof that never fails is none. */
  UNIT_ASSERT_CODE(mloom_sandbox_prove_as(NULL, supervise, here.root, 0, &proof, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(proof.files, 0);
  CU_ASSERT_EQUAL(proof.network, 0);
  CU_ASSERT_EQUAL(proof.processes, 0);
  CU_ASSERT(strstr(proof.detail, "does not hold") != NULL);
  /* Nothing is left in the scratch folder, and one that cannot be used is an error. */
  char left[256];
  snprintf(left, sizeof(left), "exit $(ls -A %s | grep -c sandbox-proof)", here.root);
  CU_ASSERT_EQUAL(system(left), 0);
  UNIT_ASSERT_CODE(mloom_sandbox_prove(NULL, supervise, "/no/such/folder", &proof, &error), MLOOM_E_NOT_FOUND, &error);
  CU_ASSERT_PTR_NOT_NULL(strstr(error.remedy, "JCA_WORKER_SCRATCH_PATH"));
  UNIT_ASSERT_CODE(mloom_sandbox_prove(NULL, "/no/such/program", here.root, &proof, &error), MLOOM_E_NOT_FOUND, &error);
  CU_ASSERT_PTR_NOT_NULL(strstr(error.remedy, "MERGELOOM_SUPERVISE"));
  fixture_free(&here);
}

/* In a child, because it cannot be undone: a kernel without Landlock. */
static int run_without_landlock(const fixture *here) {
  refuse_call(SYS_landlock_create_ruleset, ENOSYS);
  const char *const argv[] = {"/usr/bin/python3", "-c",
                              "import socket\n"
                              "try: socket.socket()\n"
                              "except PermissionError: print('no network')",
                              NULL};
  mloom_sandbox sandbox = fixture_sandbox(here);
  mloom_process_plan plan = fixture_plan(here, argv, &sandbox);
  outcome result;
  fixture_run_plan(NULL, &plan, &result);
  if (result.code != MLOOM_E_UNSUPPORTED || result.report.ended != MLOOM_PROCESS_NOT_STARTED ||
      strstr(result.error.message, "kernel") == NULL || strstr(result.error.remedy, "JCA_WORKER_SANDBOX") == NULL) {
    fprintf(stderr, "required: %d %s\n", (int)result.code, result.error.message);
    return 1;
  }
  sandbox.mode = MLOOM_SANDBOX_BEST_EFFORT;
  fixture_run_plan(NULL, &plan, &result);
  if (result.code != MLOOM_OK || result.report.landlock_abi != 0 ||
      strcmp(mloom_buffer_string(&result.output), "no network\n") != 0) {
    fprintf(stderr, "best effort: %d %s\n", (int)result.code, result.error.message);
    return 2;
  }
  outcome_free(&result);
  mloom_sandbox_proof proof;
  if (mloom_sandbox_prove(NULL, getenv("MERGELOOM_SUPERVISE"), here->root, &proof, NULL) != MLOOM_OK ||
      proof.landlock_abi != 0 || proof.files != 0 || proof.network != 1 || proof.tree != 1) {
    fprintf(stderr, "proof: %s\n", proof.detail);
    return 3;
  }
  return 0;
}

static void test_kernel_without_landlock(void) {
  fixture here;
  fixture_new(&here);
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    _exit(run_without_landlock(&here));
  }
  int status = 0;
  CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
  CU_ASSERT(WIFEXITED(status));
  CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
  fixture_free(&here);
}

static const unit_test tests[] = {
    {"reading outside", test_reading},
    {"writing outside", test_writing},
    {"changing modes outside", test_changing_modes},
    {"network", test_network},
    {"network allowed", test_network_allowed},
    {"other processes", test_other_processes},
    {"system calls", test_system_calls},
    {"privileges", test_privileges},
    {"ordinary work", test_ordinary_work},
    {"files of another user", test_files_of_another_user},
    {"git", test_git},
    {"compiler", test_compiler},
    {"read paths", test_read_paths},
    {"several write paths", test_several_write_paths},
    {"proof", test_proof},
    {"kernel without Landlock", test_kernel_without_landlock},
};

UNIT_MAIN("sandbox", tests)
