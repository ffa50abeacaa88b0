/* SPDX-License-Identifier: Apache-2.0
 *
 * The script that every simulator knows: a model that passes the tool-calling self-test (docs/readiness.md).
 */
#ifndef SIM_BUILTIN_H
#define SIM_BUILTIN_H

extern const char sim_builtin_script[];

#endif
