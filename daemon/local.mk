if DAEMON
bin_PROGRAMS += mergeloomd
pkglibexec_PROGRAMS += mergeloom-worker
daemon_store_sources = \
  daemon/store/audit.c \
  daemon/store/database.c \
  daemon/store/database.h \
  daemon/store/database_url.c \
  daemon/store/database_url.h \
  daemon/store/driver.h \
  daemon/store/folder.c \
  daemon/store/folder.h \
  daemon/store/internal.h \
  daemon/store/jobs.c \
  daemon/store/keys.c \
  daemon/store/keys.h \
  daemon/store/postgresql.h \
  daemon/store/schema.c \
  daemon/store/schema.h \
  daemon/store/sqlite.c \
  daemon/store/sqlite.h \
  daemon/store/store.c \
  daemon/store/store.h \
  daemon/store/watch.c
if POSTGRESQL
daemon_store_sources += daemon/store/postgresql.c daemon/store/postgresql_connection.c \
  daemon/store/postgresql_connection.h
else
daemon_store_sources += daemon/store/postgresql_absent.c
endif
mergeloomd_SOURCES = \
  daemon/api/api.c \
  daemon/api/description.c \
  daemon/api/gateway.c \
  daemon/api/logins.c \
  daemon/app.c \
  daemon/app.h \
  daemon/backup_command.c \
  daemon/backup_command.h \
  daemon/catalogue.c \
  daemon/catalogue.h \
  daemon/catalogue_internal.h \
  daemon/catalogue_read.c \
  daemon/check_config.c \
  daemon/check_config.h \
  daemon/apart.c \
  daemon/apart.h \
  daemon/child_process.c \
  daemon/child_process.h \
  daemon/last_words.c \
  daemon/last_words.h \
  daemon/digest.c \
  daemon/digest.h \
  daemon/deadlines.c \
  daemon/deadlines.h \
  daemon/deployment.c \
  daemon/deployment.h \
  daemon/deployment_fields.c \
  daemon/deployment_fields.h \
  daemon/deployment_unused.c \
  daemon/exports.c \
  daemon/exports.h \
  daemon/fleet.c \
  daemon/fleet.h \
  daemon/framing.c \
  daemon/framing.h \
  daemon/gateway_client.c \
  daemon/gateway_client.h \
  daemon/guard.c \
  daemon/guard.h \
  daemon/heap.c \
  daemon/heap.h \
  daemon/html.c \
  daemon/html.h \
  daemon/http.c \
  daemon/http.h \
  daemon/job_metrics.c \
  daemon/job_metrics.h \
  daemon/job_source.c \
  daemon/job_source.h \
  daemon/lease.c \
  daemon/lease.h \
  daemon/listener.c \
  daemon/listener.h \
  daemon/logins.c \
  daemon/logins.h \
  daemon/main.c \
  daemon/pages/assets.c \
  daemon/pages/health.c \
  daemon/pages/login.c \
  daemon/pages/overview.c \
  daemon/pages/page.c \
  daemon/pages/page.h \
  daemon/pages/providers.c \
  daemon/pages/runs.c \
  daemon/pending.c \
  daemon/pending.h \
  daemon/pages/settings_form.c \
  daemon/pages/settings_form.h \
  daemon/quarantine.c \
  daemon/quarantine.h \
  daemon/runner.c \
  daemon/running.c \
  daemon/running.h \
  daemon/runner.h \
  daemon/settings_change.c \
  daemon/settings_change.h \
  daemon/store/archive.c \
  daemon/store/archive.h \
  daemon/store/backup.c \
  daemon/store/backup.h \
  daemon/store/snapshot.c \
  daemon/store/snapshot.h \
  $(daemon_store_sources)
nodist_mergeloomd_SOURCES = daemon/assets_data.h daemon/openapi_data.h
daemon_cppflags = $(AM_CPPFLAGS) -I$(srcdir)/daemon -I$(builddir)/daemon -I$(builddir) -DMLOOM_LIBEXEC_DIR='"$(pkglibexecdir)"'
mergeloomd_CPPFLAGS = $(daemon_cppflags) $(MICROHTTPD_CFLAGS) $(SQLITE_CFLAGS) $(POSTGRESQL_CFLAGS)
mergeloomd_CFLAGS = $(AM_CFLAGS) -pthread
mergeloomd_LDADD = libmergeloom/libcore.la $(MICROHTTPD_LIBS) $(SQLITE_LIBS) $(POSTGRESQL_LIBS)

mergeloom_worker_SOURCES = daemon/child/child.h daemon/child/commands.c daemon/child/facts.c daemon/child/main.c \
  daemon/child/watch.c
mergeloom_worker_CPPFLAGS = $(daemon_cppflags)
mergeloom_worker_CFLAGS = $(AM_CFLAGS) -pthread
mergeloom_worker_LDADD = libmergeloom/libcore.la

BUILT_SOURCES += daemon/assets_data.h daemon/openapi_data.h
CLEANFILES += daemon/assets_data.h daemon/openapi_data.h
endif
daemon/assets_data.h: $(srcdir)/daemon/pages/style.css $(srcdir)/daemon/pages/live.js $(srcdir)/daemon/embed.sh
	$(AM_V_GEN)$(MKDIR_P) daemon && { sh '$(srcdir)/daemon/embed.sh' '$(srcdir)/daemon/pages/style.css' style_css && \
	sh '$(srcdir)/daemon/embed.sh' '$(srcdir)/daemon/pages/live.js' live_js; } >$@
EXTRA_DIST += daemon/embed.sh daemon/pages/style.css daemon/pages/live.js
daemon/openapi_data.h: $(srcdir)/daemon/api/openapi.json $(srcdir)/daemon/embed.sh
	$(AM_V_GEN)$(MKDIR_P) daemon && sh '$(srcdir)/daemon/embed.sh' '$(srcdir)/daemon/api/openapi.json' openapi_json >$@
EXTRA_DIST += daemon/api/openapi.json
