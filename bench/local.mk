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

# Counts what libcurl sends by a send() of its own.
EXTRA_PROGRAMS += bench/bench_loop
bench_bench_loop_SOURCES = bench/bench_loop.c
bench_bench_loop_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE
bench_bench_loop_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS)
bench_bench_loop_LDFLAGS = $(AM_LDFLAGS) -export-dynamic
bench_bench_loop_LDADD = libmergeloom.la $(CURL_LIBS)

EXTRA_PROGRAMS += bench/bench_resolve
bench_bench_resolve_SOURCES = bench/bench_resolve.c
bench_bench_resolve_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE
bench_bench_resolve_LDADD = libmergeloom/libcore.la

EXTRA_PROGRAMS += bench/bench_turns
bench_bench_turns_SOURCES = bench/bench_turns.c plugins/openai-compatible/openai_compatible.c
bench_bench_turns_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/plugins
bench_bench_turns_LDADD = plugins/libwire.la libmergeloom/libportable.la

EXTRA_PROGRAMS += bench/process_tree
bench_process_tree_SOURCES = bench/process_tree.c
bench_process_tree_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE

.PHONY: bench-programs
bench-programs: $(EXTRA_PROGRAMS)
CLEANFILES += $(EXTRA_PROGRAMS)
EXTRA_DIST += bench/run.sh bench/bench_daemon.py bench/bench_job.py bench/bench_sigv4_peers.py
