/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_runner.c - programs that are known by their names, because they start others: where the other
 * command begins in their arguments, and what becomes of the environment on the way. Single-threaded.
 *
 * To add one: a row in `runners`, and a case in tests/system/doctor_test.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "preload/config.h"
#include "preload/outside/doctor.h"

enum how {
	FOLLOW,	   /* becomes or starts the command, with the environment as it is */
	DROPS,	   /* starts it with another environment */
	SECURE,	   /* is setuid: the loader takes LD_PRELOAD away before it begins, but for root */
	ELSEWHERE, /* asks another process to start it */
	ROOT,	   /* starts it where / is something else */
	TRACER,	   /* as FOLLOW; the runner is traced as well */
};

struct runner {
	const char *name;
	enum how how;
	const char *with_value; /* its short options that take the next word */
	const char *long_value; /* its long options that do, "--a --b" */
	size_t words;		/* that come before the command */
};

static const struct runner runners[] = {
    {"nice", FOLLOW, "n", "--adjustment", 0},
    {"nohup", FOLLOW, "", "", 0},
    {"setsid", FOLLOW, "", "", 0},
    {"timeout", FOLLOW, "ks", "--kill-after --signal", 1},
    {"stdbuf", FOLLOW, "ioe", "--input --output --error", 0},
    {"chrt", FOLLOW, "TPD", "", 1},
    {"taskset", FOLLOW, "", "", 1},
    {"ionice", FOLLOW, "cn", "--class --classdata", 0},
    {"numactl", FOLLOW, "NmpCi", "", 0},
    {"time", FOLLOW, "fo", "--format --output", 0},
    {"prlimit", FOLLOW, "", "", 0},
    {"flock", FOLLOW, "wE", "--wait --timeout --conflict-exit-code", 1},
    {"tini", FOLLOW, "pe", "", 0},
    {"dumb-init", FOLLOW, "r", "--rewrite", 0},
    {"gosu", FOLLOW, "", "", 1},
    {"su-exec", FOLLOW, "", "", 1},
    {"chpst", FOLLOW, "uUbenmdofpcr/lL", "", 0},
    {"faketime", FOLLOW, "", "", 1},
    {"xvfb-run", FOLLOW, "efnps", "", 0},
    {"setpriv", FOLLOW, "d",
     "--reuid --regid --groups --inh-caps --ambient-caps --bounding-set --securebits --pdeathsig", 0},
    {"strace", TRACER, "abeoOPpsSuEIUX", "", 0},
    {"ltrace", TRACER, "aeFlnopsuwx", "", 0},
    {"gdb", TRACER, "", "", 0},
    {"valgrind", TRACER, "", "", 0},
    {"perf", TRACER, "", "", 1},
    {"sudo", SECURE, "CDghpRrtTUu", "--user --group --host --prompt --chdir --chroot", 0},
    {"doas", SECURE, "Cu", "", 0},
    {"pkexec", SECURE, "", "--user", 0},
    {"su", SECURE, "", "", SIZE_MAX},
    {"runuser", FOLLOW, "ugGs", "--user --group --supp-group --shell", 0},
    {"service", DROPS, "", "", SIZE_MAX},
    {"apache2ctl", DROPS, "", "", SIZE_MAX},
    {"apachectl", DROPS, "", "", SIZE_MAX},
    {"systemctl", ELSEWHERE, "", "", SIZE_MAX},
    {"systemd-run", ELSEWHERE, "", "", SIZE_MAX},
    {"docker", ELSEWHERE, "", "", SIZE_MAX},
    {"podman", ELSEWHERE, "", "", SIZE_MAX},
    {"nerdctl", ELSEWHERE, "", "", SIZE_MAX},
    {"kubectl", ELSEWHERE, "", "", SIZE_MAX},
    {"snap", ELSEWHERE, "", "", SIZE_MAX},
    {"flatpak", ELSEWHERE, "", "", SIZE_MAX},
    {"machinectl", ELSEWHERE, "", "", SIZE_MAX},
    {"supervisorctl", ELSEWHERE, "", "", SIZE_MAX},
    {"initctl", ELSEWHERE, "", "", SIZE_MAX},
    {"pm2", ELSEWHERE, "", "", SIZE_MAX},
    {"at", ELSEWHERE, "", "", SIZE_MAX},
    {"batch", ELSEWHERE, "", "", SIZE_MAX},
    {"crontab", ELSEWHERE, "", "", SIZE_MAX},
    {"ssh", ELSEWHERE, "", "", SIZE_MAX},
    {"tmux", ELSEWHERE, "", "", SIZE_MAX},
    {"screen", ELSEWHERE, "", "", SIZE_MAX},
    {"chroot", ROOT, "", "--userspec --groups", 1},
    {"unshare", ROOT, "GRSw", "--root --wd --setuid --setgid", 0},
    {"nsenter", ROOT, "tSG", "--target --setuid --setgid", 0},
    {"bwrap", ROOT, "", "", SIZE_MAX},
    {"firejail", ROOT, "", "", SIZE_MAX},
    {"systemd-nspawn", ROOT, "DMu", "--directory --machine --user", 0},
};

static bool in_words(const char *words, const char *word)
{
	const char *hit = strstr(words, word);
	size_t len = strlen(word);

	return hit != NULL && (hit[len] == '\0' || hit[len] == ' ');
}

/* Is the value of this option the next word? */
static bool takes_next(const struct runner *r, const char *option)
{
	if (option[1] == '-')
		return strchr(option, '=') == NULL && in_words(r->long_value, option);
	return option[2] == '\0' && option[1] != '\0' && strchr(r->with_value, option[1]) != NULL;
}

/* Where the command begins that the runner starts; 0: nowhere. */
static size_t command_at(const struct runner *r, char **argv)
{
	size_t i = 1, words = r->words;

	if (words == SIZE_MAX)
		return 0;
	for (; argv[i] != NULL; i++) {
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (argv[i][0] != '-')
			break;
		if (takes_next(r, argv[i]) && argv[i + 1] != NULL)
			i++;
	}
	for (; words > 0 && argv[i] != NULL; words--)
		i++;
	return argv[i] != NULL ? i : 0;
}

static const char *place(char to[32], unsigned int line)
{
	to[0] = '\0';
	if (line > 0)
		snprintf(to, 32, "line %u: ", line);
	return to;
}

/* The environment is not handed on. */
static void say_drops(struct findings *out, const char *what, const char *line)
{
	if (doctor_interposes("execve") && config_get()->follow)
		finding_add(out, FINDING_NOTE, "environment", NULL,
			    "%s%s starts its command with another environment: the library gives itself to "
			    "it all the same (DPROF_FOLLOW)",
			    line, what);
	else
		finding_add(
		    out, FINDING_WARN, "environment",
		    "set LD_PRELOAD and DPROF_DIR behind it: env LD_PRELOAD=... DPROF_DIR=... COMMAND",
		    "%s%s starts its command with another environment: LD_PRELOAD is gone there", line, what);
}

/* env: its options, then settings, then the command. */
static size_t run_env(struct findings *out, char **argv, const char *line)
{
	bool dropped = false;
	size_t i = 1;

	for (; argv[i] != NULL; i++) {
		const char *a = argv[i];

		if (strcmp(a, "--") == 0)
			continue;
		if (strcmp(a, "-i") == 0 || strcmp(a, "-") == 0 || strcmp(a, "--ignore-environment") == 0)
			dropped = true;
		else if (strcmp(a, "-u") == 0 || strcmp(a, "-C") == 0 || strcmp(a, "-S") == 0) {
			if (a[1] == 'S')
				return argv[i + 1] != NULL ? i + 1 : 0;
			i += argv[i + 1] != NULL;
			dropped |= strcmp(argv[i], "LD_PRELOAD") == 0;
		} else if (strncmp(a, "LD_PRELOAD=", 11) == 0)
			dropped = strstr(a, "libdprof.so") == NULL;
		else if (a[0] != '-' && strchr(a, '=') == NULL)
			break;
	}
	if (dropped)
		say_drops(out, "env", line);
	return argv[i] != NULL ? i : 0;
}

static bool has_word(char **argv, const char *one, const char *other)
{
	for (size_t i = 1; argv[i] != NULL; i++)
		if (strcmp(argv[i], one) == 0 || strcmp(argv[i], other) == 0)
			return true;
	return false;
}

/* Options of runners that FOLLOW else. */
static bool drops_now(const struct runner *r, char **argv)
{
	if (strcmp(r->name, "setpriv") == 0)
		return has_word(argv, "--reset-env", "--reset-env");
	if (strcmp(r->name, "runuser") == 0)
		return has_word(argv, "-l", "-") || has_word(argv, "--login", "--login");
	return false;
}

static void say_runner(struct findings *out, const struct runner *r, char **argv, const char *line)
{
	switch (r->how) {
	case FOLLOW:
		if (drops_now(r, argv))
			say_drops(out, r->name, line);
		break;
	case DROPS:
		say_drops(out, r->name, line);
		break;
	case TRACER:
		finding_add(out, FINDING_NOTE, "runner", NULL,
			    "%s%s gets the library as well as what it starts", line, r->name);
		break;
	case SECURE:
		if (getuid() == 0) { /* then it is not, for the loader, but it cleans up by itself */
			if (strcmp(r->name, "su") != 0 || has_word(argv, "-", "-l") ||
			    has_word(argv, "--login", "--login"))
				say_drops(out, r->name, line);
			break;
		}
		finding_add(out, FINDING_WARN, "environment",
			    "put it first: sudo dprof record ... COMMAND; or give it on: sudo env "
			    "LD_PRELOAD=... DPROF_DIR=... COMMAND",
			    "%s%s cleans the environment: LD_PRELOAD does not reach what it starts", line,
			    r->name);
		break;
	case ROOT:
		finding_add(
		    out, FINDING_WARN, "root",
		    "copy libdprof.so to the same path there, and let DPROF_DIR and /dev/shm be there",
		    "%s%s may change what / is: the library and DPROF_DIR must be found there, too", line,
		    r->name);
		break;
	default:
		/* one line of a script may be about something else than its work */
		finding_add(out, *line == '\0' ? FINDING_FAIL : FINDING_NOTE, "elsewhere",
			    "set LD_PRELOAD and DPROF_DIR where the work is started: unit, image, pod or "
			    "profile; see man dprof, RECIPES",
			    "%s%s asks another process to do the work: it is no child of this one and does "
			    "not get LD_PRELOAD",
			    line, r->name);
	}
}

size_t doctor_runner(struct findings *out, const char *name, char **argv, unsigned int line)
{
	char where[32];

	place(where, line);
	if (strcmp(name, "env") == 0)
		return run_env(out, argv, where);
	for (size_t i = 0; i < sizeof runners / sizeof runners[0]; i++) {
		if (strcmp(runners[i].name, name) != 0)
			continue;
		if (argv[1] != NULL)
			say_runner(out, &runners[i], argv, where);
		return command_at(&runners[i], argv);
	}
	return 0;
}

void doctor_known(struct findings *out, const char *name)
{
	if (strcmp(name, "java") == 0)
		finding_add(out, FINDING_NOTE, "tls", "end TLS in a proxy before it to see what is inside",
			    "Java has its own TLS: seen as ciphertext, timed and joined");
	if (strncmp(name, "php", 3) == 0 && !doctor_interposes("dlopen"))
		finding_add(out, FINDING_WARN, "deepbind", NULL,
			    "PHP loads its extensions with RTLD_DEEPBIND: sockets that they use themselves "
			    "are not seen");
}
