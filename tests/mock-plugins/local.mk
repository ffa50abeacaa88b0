# One behaviour a plugin. -rpath makes libtool build shared objects of libraries that are never installed.
mock_link = -module -avoid-version -shared -rpath /nowhere
mock_cppflags = $(AM_CPPFLAGS)
mock_cflags = $(AM_CFLAGS) -Wno-unused-function

check_LTLIBRARIES += tests/mock-plugins/mergeloom-mock-good.la
tests_mock_plugins_mergeloom_mock_good_la_SOURCES = tests/mock-plugins/mock.c
tests_mock_plugins_mergeloom_mock_good_la_CPPFLAGS = $(mock_cppflags) -DMOCK_PLUGIN_NAME='"mock-good"'
tests_mock_plugins_mergeloom_mock_good_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_mock_good_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)

check_LTLIBRARIES += tests/mock-plugins/mergeloom-mock-same-name.la
tests_mock_plugins_mergeloom_mock_same_name_la_SOURCES = tests/mock-plugins/mock.c
tests_mock_plugins_mergeloom_mock_same_name_la_CPPFLAGS = $(mock_cppflags) -DMOCK_ID='"mock-same-name"' -DMOCK_PLUGIN_NAME='"mock-good"'
tests_mock_plugins_mergeloom_mock_same_name_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_mock_same_name_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)

check_LTLIBRARIES += tests/mock-plugins/mergeloom-mock-duplicate-id.la
tests_mock_plugins_mergeloom_mock_duplicate_id_la_SOURCES = tests/mock-plugins/mock.c
tests_mock_plugins_mergeloom_mock_duplicate_id_la_CPPFLAGS = $(mock_cppflags) -DMOCK_PLUGIN_NAME='"mock-duplicate-id"' -DMOCK_ID='"mock-duplicate-id"' -DMOCK_ALIAS='"mock"'
tests_mock_plugins_mergeloom_mock_duplicate_id_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_mock_duplicate_id_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)

check_LTLIBRARIES += tests/mock-plugins/mergeloom-mock-bad-id.la
tests_mock_plugins_mergeloom_mock_bad_id_la_SOURCES = tests/mock-plugins/mock.c
tests_mock_plugins_mergeloom_mock_bad_id_la_CPPFLAGS = $(mock_cppflags) -DMOCK_PLUGIN_NAME='"mock-bad-id"' -DMOCK_ID='"Mock Provider"'
tests_mock_plugins_mergeloom_mock_bad_id_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_mock_bad_id_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)

check_LTLIBRARIES += tests/mock-plugins/mergeloom-mock-wrong-major.la
tests_mock_plugins_mergeloom_mock_wrong_major_la_SOURCES = tests/mock-plugins/mock.c
tests_mock_plugins_mergeloom_mock_wrong_major_la_CPPFLAGS = $(mock_cppflags) -DMOCK_ID='"mock-wrong-major"' -DMOCK_PLUGIN_NAME='"mock-wrong-major"' -DMOCK_ABI_MAJOR=2
tests_mock_plugins_mergeloom_mock_wrong_major_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_mock_wrong_major_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)

check_LTLIBRARIES += tests/mock-plugins/mergeloom-mock-next-entry.la
tests_mock_plugins_mergeloom_mock_next_entry_la_SOURCES = tests/mock-plugins/mock.c
tests_mock_plugins_mergeloom_mock_next_entry_la_CPPFLAGS = $(mock_cppflags) -DMOCK_ID='"mock-next-entry"' -DMOCK_PLUGIN_NAME='"mock-next-entry"' -DMOCK_ENTRY=mergeloom_plugin_init_v2
tests_mock_plugins_mergeloom_mock_next_entry_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_mock_next_entry_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)

check_LTLIBRARIES += tests/mock-plugins/mergeloom-mock-declines.la
tests_mock_plugins_mergeloom_mock_declines_la_SOURCES = tests/mock-plugins/mock.c
tests_mock_plugins_mergeloom_mock_declines_la_CPPFLAGS = $(mock_cppflags) -DMOCK_ID='"mock-declines"' -DMOCK_PLUGIN_NAME='"mock-declines"' -DMOCK_DECLINES
tests_mock_plugins_mergeloom_mock_declines_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_mock_declines_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)

check_LTLIBRARIES += tests/mock-plugins/mergeloom-mock-undefined.la
tests_mock_plugins_mergeloom_mock_undefined_la_SOURCES = tests/mock-plugins/mock.c
tests_mock_plugins_mergeloom_mock_undefined_la_CPPFLAGS = $(mock_cppflags) -DMOCK_ID='"mock-undefined"' -DMOCK_PLUGIN_NAME='"mock-undefined"' -DMOCK_UNDEFINED
tests_mock_plugins_mergeloom_mock_undefined_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_mock_undefined_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link) -Wl,-z,undefs

check_LTLIBRARIES += tests/mock-plugins/mergeloom-mock-missing-member.la
tests_mock_plugins_mergeloom_mock_missing_member_la_SOURCES = tests/mock-plugins/mock.c
tests_mock_plugins_mergeloom_mock_missing_member_la_CPPFLAGS = $(mock_cppflags) -DMOCK_ID='"mock-missing-member"' -DMOCK_PLUGIN_NAME='"mock-missing-member"' -DMOCK_FEED=NULL
tests_mock_plugins_mergeloom_mock_missing_member_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_mock_missing_member_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)

check_LTLIBRARIES += tests/mock-plugins/mergeloom-mock-older.la
tests_mock_plugins_mergeloom_mock_older_la_SOURCES = tests/mock-plugins/mock.c
tests_mock_plugins_mergeloom_mock_older_la_CPPFLAGS = $(mock_cppflags) -DMOCK_ID='"mock-older"' -DMOCK_PLUGIN_NAME='"mock-older"' -DMOCK_OLDER
tests_mock_plugins_mergeloom_mock_older_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_mock_older_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)

check_LTLIBRARIES += tests/mock-plugins/mergeloom-mock-newer.la
tests_mock_plugins_mergeloom_mock_newer_la_SOURCES = tests/mock-plugins/mock.c
tests_mock_plugins_mergeloom_mock_newer_la_CPPFLAGS = $(mock_cppflags) -DMOCK_ID='"mock-newer"' -DMOCK_PLUGIN_NAME='"mock-newer"' -DMOCK_NEWER -DMOCK_ABI_MINOR=7 -DMOCK_THREADS=9
tests_mock_plugins_mergeloom_mock_newer_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_mock_newer_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)

check_LTLIBRARIES += tests/mock-plugins/mergeloom-mock-absurd-size.la
tests_mock_plugins_mergeloom_mock_absurd_size_la_SOURCES = tests/mock-plugins/mock.c
tests_mock_plugins_mergeloom_mock_absurd_size_la_CPPFLAGS = $(mock_cppflags) -DMOCK_ID='"mock-absurd-size"' -DMOCK_PLUGIN_NAME='"mock-absurd-size"' -DMOCK_ABSURD_SIZE
tests_mock_plugins_mergeloom_mock_absurd_size_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_mock_absurd_size_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)

check_LTLIBRARIES += tests/mock-plugins/mergeloom-mock-unknown-threads.la
tests_mock_plugins_mergeloom_mock_unknown_threads_la_SOURCES = tests/mock-plugins/mock.c
tests_mock_plugins_mergeloom_mock_unknown_threads_la_CPPFLAGS = $(mock_cppflags) -DMOCK_ID='"mock-unknown-threads"' -DMOCK_PLUGIN_NAME='"mock-unknown-threads"' -DMOCK_THREADS=9
tests_mock_plugins_mergeloom_mock_unknown_threads_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_mock_unknown_threads_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)

check_LTLIBRARIES += tests/mock-plugins/mergeloom-mock-bad-default.la
tests_mock_plugins_mergeloom_mock_bad_default_la_SOURCES = tests/mock-plugins/mock.c
tests_mock_plugins_mergeloom_mock_bad_default_la_CPPFLAGS = $(mock_cppflags) -DMOCK_ID='"mock-bad-default"' -DMOCK_PLUGIN_NAME='"mock-bad-default"' -DMOCK_BAD_DEFAULT
tests_mock_plugins_mergeloom_mock_bad_default_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_mock_bad_default_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)

check_LTLIBRARIES += tests/mock-plugins/mergeloom-mock-duplicate-field.la
tests_mock_plugins_mergeloom_mock_duplicate_field_la_SOURCES = tests/mock-plugins/mock.c
tests_mock_plugins_mergeloom_mock_duplicate_field_la_CPPFLAGS = $(mock_cppflags) -DMOCK_ID='"mock-duplicate-field"' -DMOCK_PLUGIN_NAME='"mock-duplicate-field"' -DMOCK_DUPLICATE_FIELD
tests_mock_plugins_mergeloom_mock_duplicate_field_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_mock_duplicate_field_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)

# Two versions of one plugin.
check_LTLIBRARIES += tests/mock-plugins/mergeloom-mock-first.la tests/mock-plugins/mergeloom-mock-second.la
tests_mock_plugins_mergeloom_mock_first_la_SOURCES = tests/mock-plugins/mock.c
tests_mock_plugins_mergeloom_mock_first_la_CPPFLAGS = $(mock_cppflags) -DMOCK_PLUGIN_NAME='"mock-versioned"' -DMOCK_ID='"mock-versioned"' -DMOCK_VERSION='"1.0.0"'
tests_mock_plugins_mergeloom_mock_first_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_mock_first_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)
tests_mock_plugins_mergeloom_mock_second_la_SOURCES = tests/mock-plugins/mock.c
tests_mock_plugins_mergeloom_mock_second_la_CPPFLAGS = $(mock_cppflags) -DMOCK_PLUGIN_NAME='"mock-versioned"' -DMOCK_ID='"mock-versioned"' -DMOCK_VERSION='"2.0.0"'
tests_mock_plugins_mergeloom_mock_second_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_mock_second_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)

# These load, but break rules that mergeloom-plugin-check knows.
check_LTLIBRARIES += tests/mock-plugins/mergeloom-mock-crashes.la
tests_mock_plugins_mergeloom_mock_crashes_la_SOURCES = tests/mock-plugins/mock.c
tests_mock_plugins_mergeloom_mock_crashes_la_CPPFLAGS = $(mock_cppflags) -DMOCK_PLUGIN_NAME='"mock-crashes"' -DMOCK_CRASHES
tests_mock_plugins_mergeloom_mock_crashes_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_mock_crashes_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)

check_LTLIBRARIES += tests/mock-plugins/mergeloom-mock-needs-whole-lines.la
tests_mock_plugins_mergeloom_mock_needs_whole_lines_la_SOURCES = tests/mock-plugins/mock.c
tests_mock_plugins_mergeloom_mock_needs_whole_lines_la_CPPFLAGS = $(mock_cppflags) -DMOCK_PLUGIN_NAME='"mock-needs-whole-lines"' -DMOCK_NEEDS_WHOLE_LINES
tests_mock_plugins_mergeloom_mock_needs_whole_lines_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_mock_needs_whole_lines_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)

check_LTLIBRARIES += tests/mock-plugins/mergeloom-mock-takes-anything.la
tests_mock_plugins_mergeloom_mock_takes_anything_la_SOURCES = tests/mock-plugins/mock.c
tests_mock_plugins_mergeloom_mock_takes_anything_la_CPPFLAGS = $(mock_cppflags) -DMOCK_PLUGIN_NAME='"mock-takes-anything"' -DMOCK_TAKES_ANYTHING
tests_mock_plugins_mergeloom_mock_takes_anything_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_mock_takes_anything_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)

check_LTLIBRARIES += tests/mock-plugins/mergeloom-mock-leaks.la
tests_mock_plugins_mergeloom_mock_leaks_la_SOURCES = tests/mock-plugins/mock.c
tests_mock_plugins_mergeloom_mock_leaks_la_CPPFLAGS = $(mock_cppflags) -DMOCK_PLUGIN_NAME='"mock-leaks"' -DMOCK_LEAKS
tests_mock_plugins_mergeloom_mock_leaks_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_mock_leaks_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)

check_LTLIBRARIES += tests/mock-plugins/mergeloom-mock-shows-secret.la
tests_mock_plugins_mergeloom_mock_shows_secret_la_SOURCES = tests/mock-plugins/mock.c
tests_mock_plugins_mergeloom_mock_shows_secret_la_CPPFLAGS = $(mock_cppflags) -DMOCK_PLUGIN_NAME='"mock-shows-secret"' -DMOCK_SHOWS_SECRET
tests_mock_plugins_mergeloom_mock_shows_secret_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_mock_shows_secret_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)

check_LTLIBRARIES += tests/mock-plugins/mergeloom-mock-busy-entry.la
tests_mock_plugins_mergeloom_mock_busy_entry_la_SOURCES = tests/mock-plugins/mock.c
tests_mock_plugins_mergeloom_mock_busy_entry_la_CPPFLAGS = $(mock_cppflags) -DMOCK_PLUGIN_NAME='"mock-busy-entry"' -DMOCK_BUSY_ENTRY
tests_mock_plugins_mergeloom_mock_busy_entry_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_mock_busy_entry_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)

check_LTLIBRARIES += tests/mock-plugins/mergeloom-mock-no-entry.la
tests_mock_plugins_mergeloom_mock_no_entry_la_SOURCES = tests/mock-plugins/empty.c
tests_mock_plugins_mergeloom_mock_no_entry_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)

check_LTLIBRARIES += tests/mock-plugins/libmockentry.la tests/mock-plugins/mergeloom-mock-borrowed-entry.la
tests_mock_plugins_libmockentry_la_SOURCES = tests/mock-plugins/mock.c
tests_mock_plugins_libmockentry_la_CPPFLAGS = $(mock_cppflags) -DMOCK_PLUGIN_NAME='"mock-borrowed"'
tests_mock_plugins_libmockentry_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_libmockentry_la_LDFLAGS = $(AM_LDFLAGS) -avoid-version -shared -rpath /nowhere
tests_mock_plugins_mergeloom_mock_borrowed_entry_la_SOURCES = tests/mock-plugins/borrower.c
tests_mock_plugins_mergeloom_mock_borrowed_entry_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)
tests_mock_plugins_mergeloom_mock_borrowed_entry_la_LIBADD = tests/mock-plugins/libmockentry.la

# For the daemon, whose workers it ends in several ways.
check_LTLIBRARIES += tests/mock-plugins/libharmed.la tests/mock-plugins/mergeloom-harmful.la
tests_mock_plugins_libharmed_la_SOURCES = plugins/openai-compatible/openai_compatible.c
tests_mock_plugins_libharmed_la_CPPFLAGS = $(plugin_cppflags) -Dmergeloom_plugin_init_v1=harmed_plugin_init
tests_mock_plugins_mergeloom_harmful_la_SOURCES = tests/mock-plugins/harmful.c
tests_mock_plugins_mergeloom_harmful_la_CPPFLAGS = $(mock_cppflags) -D_GNU_SOURCE
tests_mock_plugins_mergeloom_harmful_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_harmful_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)
tests_mock_plugins_mergeloom_harmful_la_LIBADD = tests/mock-plugins/libharmed.la plugins/libwire.la libmergeloom/libportable.la

# The same, while they load it; its file is copied under several names.
check_LTLIBRARIES += tests/mock-plugins/mergeloom-bad-start.la
tests_mock_plugins_mergeloom_bad_start_la_SOURCES = tests/mock-plugins/bad_start.c
tests_mock_plugins_mergeloom_bad_start_la_CPPFLAGS = $(mock_cppflags) -D_GNU_SOURCE
tests_mock_plugins_mergeloom_bad_start_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_bad_start_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)

# For the daemon: markup in every text, and one that says why it does not load.
check_LTLIBRARIES += tests/mock-plugins/mergeloom-marked-up.la tests/mock-plugins/mergeloom-marked-up-declines.la
tests_mock_plugins_mergeloom_marked_up_la_SOURCES = tests/mock-plugins/marked_up.c
tests_mock_plugins_mergeloom_marked_up_la_CPPFLAGS = $(mock_cppflags)
tests_mock_plugins_mergeloom_marked_up_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_marked_up_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)
tests_mock_plugins_mergeloom_marked_up_la_LIBADD = tests/mock-plugins/libharmed.la plugins/libwire.la libmergeloom/libportable.la
tests_mock_plugins_mergeloom_marked_up_declines_la_SOURCES = tests/mock-plugins/marked_up.c
tests_mock_plugins_mergeloom_marked_up_declines_la_CPPFLAGS = $(mock_cppflags) -DMARKED_UP_DECLINES
tests_mock_plugins_mergeloom_marked_up_declines_la_CFLAGS = $(mock_cflags)
tests_mock_plugins_mergeloom_marked_up_declines_la_LDFLAGS = $(AM_LDFLAGS) $(mock_link)
tests_mock_plugins_mergeloom_marked_up_declines_la_LIBADD = $(tests_mock_plugins_mergeloom_marked_up_la_LIBADD)
