// SPDX-License-Identifier: GPL-2.0-only
/* espah capture: runs tcpdump on a device that shows plaintext packets. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "tap.h"
#include "parse.h"
#include "queue.h"

const char capture_help[] =
	"espah capture [in|out] [spi SPI] [OPTION...] [FILTER]\n"
	"\n"
	"Shows packets in clear: what goes into SAs, and what came out of them once\n"
	"authenticated.\n"
	"  in|out       one direction only\n"
	"  spi SPI      only packets of the SAs with this SPI\n"
	"  OPTION       of tcpdump: -w FILE writes a file ('-': standard output), -c N\n"
	"               ends after N packets, -v, -x, ... (see 'man tcpdump')\n"
	"  FILTER       as of tcpdump, such as 'host 10.1.0.5 and tcp port 443' (see 'man\n"
	"               pcap-filter')\n"
	"A line has the direction (In, Out), then, in the place of a link-layer address,\n"
	"the SPI and the last two bytes of the sequence number: 00:00:10:01:00:2a is\n"
	"number 42 of SPI 0x1001.\n"
	"\n"
	"The packets are seen on a device of kind espah-tap, which is made while it is\n"
	"needed. To keep one for tcpdump or Wireshark:\n"
	"  ip link add espah0 up type espah-tap\n"
	"\n"
	"Examples:\n"
	"  espah capture spi 0x1001\n"
	"  espah capture -w - host 10.1.0.5 | wireshark -k -i -\n";

static volatile sig_atomic_t child;

static void pass_on(int sig)
{
	if (child > 0)
		kill(child, sig);
}

static const int passed[] = { SIGINT, SIGTERM, SIGHUP };
static struct sigaction before[ARRAY_SIZE(passed)];

/* A SIGINT from the terminal also reaches tcpdump, which then prints its packet counts. */
static void handle_signals(void)
{
	struct sigaction action = { .sa_handler = pass_on };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(passed); i++)
		sigaction(passed[i], &action, &before[i]);
}

/* Restores the signal handlers, because a batch continues after a capture. */
static void restore_signals(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(passed); i++)
		sigaction(passed[i], &before[i], NULL);
}

static int run_tcpdump(char **argv)
{
	sigset_t all, mask;
	int status;

	/* block signals until the child exists: an earlier one is lost, and the device stays */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &mask);
	handle_signals();
	fflush(stdout);
	child = fork();
	sigprocmask(SIG_SETMASK, &mask, NULL);
	if (child < 0) {
		error("tcpdump cannot be started: %s", strerror(errno));
		return STATUS_REFUSED;
	}
	if (!child) {
		execvp(argv[0], argv);
		error("tcpdump cannot be started: %s", errno == ENOENT ?
		      "it is not installed" : strerror(errno));
		_exit(STATUS_REFUSED);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	child = 0;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? STATUS_OK : STATUS_REFUSED;
}

/* Whether the value of a tcpdump option is the next word: after "-w" and "-vw", not "-wFILE". */
static bool takes_value(const char *option)
{
	static const char *const full[] = {
		"--buffer-size", "--direction", "--interface", "--linktype", "--snapshot-length",
		"--time-stamp-precision", "--time-stamp-type",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(full); i++)
		if (!strcmp(option, full[i]))
			return true;
	if (option[1] == '-')
		return false;
	option += strcspn(option, "BcCEFGijmMQrsTVwWyzZ");
	return *option && !option[1];
}

/* number of words for our own options, -Q in, the SPI filter with its parentheses, and NULL */
#define EXTRA_WORDS 16

/* Builds the tcpdump command: options for our device, then @args; the filter includes the SPI. */
static void write_argv(char **argv, const struct tap *tap, const char *dir, const char *spi,
		       struct args *args)
{
	static const char *const always[] = { "tcpdump", "-n", "-e", "-p", "-l", "-U", "-i" };
	const char **arg = (const char **)argv;
	const char *word;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(always); i++)
		*arg++ = always[i];
	*arg++ = tap->name;
	if (dir) {
		*arg++ = "-Q";
		*arg++ = dir;
	}
	while ((word = args_peek(args)) && *word == '-') {
		*arg++ = args_next(args);
		if (takes_value(word) && args_peek(args))
			*arg++ = args_next(args);
	}
	if (spi)
		*arg++ = spi;
	if (spi && args_peek(args))
		*arg++ = "and (";
	while (args_peek(args))
		*arg++ = args_next(args);
	if (spi && arg[-1] != spi)
		*arg++ = ")";
	*arg = NULL;
}

/** cmd_capture() - espah capture */
int cmd_capture(struct cli *cli, struct args *args)
{
	const char *dir = NULL, *word;
	char spi_filter[40] = "";
	struct tap tap;
	uint32_t spi;
	char **argv;
	int status;

	for (;;) {
		if (args_take(args, "in")) {
			dir = "in";
		} else if (args_take(args, "out")) {
			dir = "out";
		} else if (args_take(args, "spi")) {
			word = args_value(args, "spi");
			if (!word || parse_spi("spi", word, &spi))
				return STATUS_USAGE;
			/* the link-layer address begins at byte 6 of the cooked header */
			snprintf(spi_filter, sizeof(spi_filter), "link[6:4] = %u", spi);
		} else {
			break;
		}
	}
	if (cli->json) {
		error("capture prints no JSON; -w FILE writes packets for other programs");
		return STATUS_USAGE;
	}
	status = queue_barrier(cli);
	if (status)
		return status;
	argv = calloc(args->count - args->at + EXTRA_WORDS, sizeof(*argv));
	if (!argv) {
		error("memory ran out");
		return STATUS_REFUSED;
	}
	status = tap_open(cli, &tap);
	if (!status) {
		write_argv(argv, &tap, dir, *spi_filter ? spi_filter : NULL, args);
		status = run_tcpdump(argv);
		tap_close(cli);
		restore_signals();
	}
	free(argv);
	return status;
}
