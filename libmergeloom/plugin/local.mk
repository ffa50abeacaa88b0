libmergeloom_libcore_la_SOURCES += \
  libmergeloom/plugin/abi.c \
  libmergeloom/plugin/abi.h \
  libmergeloom/plugin/abi_fields.c \
  libmergeloom/plugin/arena.c \
  libmergeloom/plugin/builtin.c \
  libmergeloom/plugin/builtin.h \
  libmergeloom/plugin/elf.c \
  libmergeloom/plugin/elf.h \
  libmergeloom/plugin/host.c \
  libmergeloom/plugin/host.h \
  libmergeloom/plugin/loader.c \
  libmergeloom/plugin/loader.h \
  libmergeloom/plugin/registry.c \
  libmergeloom/plugin/registry.h \
  libmergeloom/plugin/watch.c \
  libmergeloom/plugin/watch.h
