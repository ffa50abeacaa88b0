bin_PROGRAMS += mergeloom-sim
mergeloom_sim_SOURCES = \
  sim/answer.c \
  sim/answer.h \
  sim/builtin.c \
  sim/builtin.h \
  sim/conversation.c \
  sim/conversation.h \
  sim/http_server.c \
  sim/http_server.h \
  sim/main.c \
  sim/script.c \
  sim/script.h \
  sim/service.c \
  sim/service.h \
  sim/template.c \
  sim/template.h \
  sim/wire/chat.c \
  sim/wire/converse.c \
  sim/wire/gemini.c \
  sim/wire/messages.c \
  sim/wire/minimal.c \
  sim/wire/reading.c \
  sim/wire/reading.h \
  sim/wire/responses.c \
  sim/wire/wire.h \
  sim/wire/writer.c \
  sim/wire/writer.h
mergeloom_sim_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE -I$(srcdir)/sim
mergeloom_sim_CFLAGS = $(AM_CFLAGS)
mergeloom_sim_LDADD = libmergeloom/libcore.la
dist_man_MANS += sim/mergeloom-sim.1
