/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "fleet.h"
#include "harness.h"

typedef struct listing {
  char text[512];
  size_t count;
  int ordered;
  char last[128];
} listing;

static void list(const fleet_member *member, void *userdata) {
  listing *out = userdata;
  size_t used = strlen(out->text);
  snprintf(out->text + used, sizeof out->text - used, "%s[%s]", member->name, member->ready);
  out->ordered &= out->count == 0 || strcmp(out->last, member->name) < 0;
  snprintf(out->last, sizeof out->last, "%s", member->name);
  out->count++;
  CU_ASSERT(member->seen_ms > 0);
}

static void test_notes(void) {
  fleet *members = fleet_new();
  listing found = {.ordered = 1};
  fleet_note(members, "b", ",x,");
  fleet_note(members, "a", ",y,");
  fleet_note(members, "c", NULL);
  fleet_note(members, "b", NULL);
  fleet_note(members, "", ",z,");
  fleet_each(members, list, &found);
  UNIT_ASSERT_STRING(found.text, "a[,y,]b[,x,]c[]");
  fleet_free(members);
}

static void test_limits(void) {
  fleet *members = fleet_new();
  listing found = {.ordered = 1};
  char name[160];
  for (int i = 0; i < 600; i++) {
    snprintf(name, sizeof name, "executor-%03d", i * 7 % 600);
    fleet_note(members, name, ",");
  }
  memset(name, 'x', sizeof name);
  name[sizeof name - 1] = '\0';
  fleet_note(members, name, ",");
  fleet_each(members, list, &found);
  CU_ASSERT_EQUAL(found.count, 256);
  CU_ASSERT(found.ordered);
  CU_ASSERT_PTR_NULL(strstr(found.text, "xxx"));
  fleet_free(members);
}

static const unit_test tests[] = {{"signs of life are kept by name", test_notes},
                                  {"names and members are limited", test_limits}};
UNIT_MAIN("fleet", tests)
