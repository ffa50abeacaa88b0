EXTRA_DIST += examples/demo/README.md examples/demo/job.json examples/demo/repository/README.txt \
  examples/demo/repository/shelf/__init__.py examples/demo/repository/shelf/pages.py \
  examples/demo/repository/tests/test_pages.py examples/demo/run.sh examples/demo/script.json \
  examples/demo/ticket.json
EXTRA_DIST += examples/minimal-provider/Makefile examples/minimal-provider/README.md \
  examples/minimal-provider/provider.c
EXTRA_DIST += examples/rust-provider/Makefile examples/rust-provider/README.md \
  examples/rust-provider/mergeloom.rs examples/rust-provider/provider.rs
EXTRA_DIST += examples/helper-provider/Makefile examples/helper-provider/README.md \
  examples/helper-provider/helper.py examples/helper-provider/provider.c

# The embedding example, built here and run by the tests; it needs the public headers only.
noinst_PROGRAMS += examples/embed
examples_embed_SOURCES = examples/embed.c
examples_embed_CPPFLAGS = -I$(srcdir)/libmergeloom/include
examples_embed_LDADD = libmergeloom.la
