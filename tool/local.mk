bin_PROGRAMS += mergeloom
mergeloom_SOURCES = \
  tool/check.c \
  tool/json.c \
  tool/json.h \
  tool/lists.c \
  tool/login.c \
  tool/main.c \
  tool/options.c \
  tool/report.c \
  tool/report.h \
  tool/resolve.c \
  tool/result.c \
  tool/run.c \
  tool/signals.c \
  tool/support.c \
  tool/text.c \
  tool/text.h \
  tool/tool.h \
  tool/view.c \
  tool/view.h
# The public headers only.
mergeloom_CPPFLAGS = -D_GNU_SOURCE -I$(srcdir)/libmergeloom/include
mergeloom_CFLAGS = $(AM_CFLAGS) -pthread
mergeloom_LDADD = libmergeloom.la

tool/mergeloom.1: $(srcdir)/tool/mergeloom.1.in Makefile
	$(AM_V_GEN)$(MKDIR_P) tool && \
	sed -e 's|@libdir[@]|$(libdir)|g' '$(srcdir)/tool/mergeloom.1.in' >$@
nodist_man_MANS += tool/mergeloom.1
CLEANFILES += tool/mergeloom.1
EXTRA_DIST += tool/mergeloom.1.in
dist_bashcompletion_DATA = tool/bash-completion/mergeloom
