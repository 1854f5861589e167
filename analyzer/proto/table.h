/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.h - every grammar there is, one line each. Only the grammars and table.c include it; the engine
 * asks proto.h.
 */
#ifndef DPROF_PROTO_TABLE_H
#define DPROF_PROTO_TABLE_H

#include "proto.h"

extern const struct proto proto_http;
extern const struct proto proto_resp;
extern const struct proto proto_mysql;
extern const struct proto proto_postgresql;
extern const struct proto proto_raw;

#endif
