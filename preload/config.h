/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h - the DPROF_* settings. Read once, from the environment as it was at the start, into static
 * memory: programs overwrite their environment later.
 */
#ifndef DPROF_CONFIG_H
#define DPROF_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/window.h"

#define CONFIG_PATH_BYTES    3072u /* leaves room for a file name below PATH_MAX */
#define CONFIG_NAME_BYTES    256u
#define CONFIG_CAPTURE_BYTES 16u
#define CONFIG_WINDOW_BYTES  96u

enum config_tls { CONFIG_TLS_ON, CONFIG_TLS_OFF };
enum config_io_uring { CONFIG_IO_URING_REPORT, CONFIG_IO_URING_REFUSE };

struct config {
	bool disable;
	bool verbose;
	bool follow;			 /* into programs started with another environment */
	uint8_t tls;			 /* enum config_tls */
	uint8_t io_uring;		 /* enum config_io_uring */
	char dir[CONFIG_PATH_BYTES];	 /* absolute */
	char host[CONFIG_NAME_BYTES];	 /* DPROF_HOST, or the node name */
	char service[CONFIG_NAME_BYTES]; /* DPROF_SERVICE, OTEL_SERVICE_NAME, or the program */
	char program[CONFIG_NAME_BYTES];
	char exe[CONFIG_PATH_BYTES];
	char capture_text[CONFIG_CAPTURE_BYTES]; /* DPROF_CAPTURE as given */
	uint64_t head_bytes;			 /* what it means: of answers */
	uint64_t head_request_bytes;
	uint64_t ring_bytes; /* a power of two */
	uint64_t flush_ms;
	uint64_t max_disk; /* bytes of all files of a process; 0: no limit */
	char window_text[CONFIG_WINDOW_BYTES];
	struct window_plan window;
};

/* The settings; reads them at the first call. Safe from any thread and before our constructor. */
const struct config *config_get(void);

/* For the hot path: head_bytes, and of the way that requests go head_request_bytes. */
extern uint32_t config_head_bytes[2] __attribute__((visibility("hidden")));

/* Says what was wrong with the settings, one line each; once. */
void config_complain(void);

/* What was given for the setting of a row, if it cannot be used; else NULL. */
const char *config_bad_value(size_t row);

/* For the header of the dump: name, value, ..., NULL. */
const char *const *config_settings(void);

/* One setting, for the man page and its test. */
struct config_row {
	const char *name;
	const char *allowed;
	const char *standard; /* what holds if it is not set */
	const char *help;
};

extern const struct config_row config_rows[]; /* up to a NULL name */

#endif
