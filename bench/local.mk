# Measurements: "make bench-programs" builds them, ./dev bench runs them. A bench program is called bench/bench_NAME,
# needs no arguments (see bench/run.sh where one does), and prints lines of four fields with tabs between them: what,
# value, unit, target (the value should be at most this; empty when there is none).
EXTRA_PROGRAMS += bench/bench_credential
bench_bench_credential_SOURCES = bench/bench_credential.c
bench_bench_credential_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE
bench_bench_credential_LDADD = libmergeloom/libcore.la

EXTRA_PROGRAMS += bench/bench_load
bench_bench_load_SOURCES = bench/bench_load.c
bench_bench_load_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE
bench_bench_load_LDADD = libmergeloom.la

EXTRA_PROGRAMS += bench/bench_sigv4
bench_bench_sigv4_SOURCES = bench/bench_sigv4.c
bench_bench_sigv4_CPPFLAGS = $(plugin_cppflags)
bench_bench_sigv4_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS)
bench_bench_sigv4_LDADD = plugins/libwire.la libmergeloom/libcore.la $(CRYPTO_LIBS)

EXTRA_PROGRAMS += bench/bench_stream
bench_bench_stream_SOURCES = bench/bench_stream.c bench/stream_wires.c bench/stream_wires.h
bench_bench_stream_CPPFLAGS = $(plugin_cppflags) -I$(srcdir)/tests/unit/wire
bench_bench_stream_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS)
bench_bench_stream_LDADD = plugins/libwire.la libmergeloom/libcore.la $(CURL_LIBS)

EXTRA_LTLIBRARIES += bench/mergeloom-bench.la
bench_mergeloom_bench_la_SOURCES = bench/bench_plugin.c
bench_mergeloom_bench_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -rpath /nowhere

EXTRA_PROGRAMS += bench/bench_resolve
bench_bench_resolve_SOURCES = bench/bench_resolve.c
bench_bench_resolve_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE
bench_bench_resolve_LDADD = libmergeloom/libcore.la

EXTRA_PROGRAMS += bench/bench_turns
bench_bench_turns_SOURCES = bench/bench_turns.c plugins/openai-compatible/openai_compatible.c
bench_bench_turns_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/plugins
bench_bench_turns_LDADD = plugins/libwire.la libmergeloom/libportable.la

.PHONY: bench-programs
bench-programs: $(EXTRA_PROGRAMS) $(EXTRA_LTLIBRARIES)
CLEANFILES += $(EXTRA_PROGRAMS)
EXTRA_DIST += bench/run.sh bench/bench_daemon.py bench/bench_job.py bench/bench_programs.py bench/bench_sigv4_peers.py
