/* The floor of sampling: what the kernel alone asks for reading the files an agent keeps open.
 *
 *   floor ROUNDS PERIOD_SECONDS <paths
 *
 * Opens the files named on standard input, one a line, and preads every one once a round. First
 * ROUNDS rounds one period apart, then as many back to back. Prints the files that could be opened,
 * then the CPU nanoseconds of each round, paced ones first, one number a line. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static char content[1 << 16];

static long long nanoseconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static long long read_all(const int *files, int count) {
  long long began = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
  for (int place = 0; place < count; place++)
    if (pread(files[place], content, sizeof content, 0) < 0) perror("floor: pread");
  return nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - began;
}

static void wait_until(long long moment) {
  struct timespec at = {moment / 1000000000LL, moment % 1000000000LL};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL)) continue;
}

static int *open_all(int *count) {
  int room = 1024, *files = malloc(room * sizeof *files);
  char *line = NULL;
  size_t size = 0;
  while (files && getline(&line, &size, stdin) > 0) {
    line[strcspn(line, "\n")] = 0;
    if (*count == room) files = realloc(files, (room *= 2) * sizeof *files);
    if (files == NULL) break;
    files[*count] = open(line, O_RDONLY | O_CLOEXEC);
    if (files[*count] >= 0) ++*count;
  }
  free(line);
  return files;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int rounds = atoi(argv[1]), count = 0;
  long long period = atof(argv[2]) * 1e9;
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  int *files = open_all(&count);
  long long *spent = calloc(2 * rounds + 1, sizeof *spent);
  if (files == NULL || spent == NULL) return 1;
  read_all(files, count); /* the kernel makes its buffers at the first read */
  long long beat = nanoseconds(CLOCK_MONOTONIC);
  for (int round = 0; round < rounds; round++) {
    wait_until(beat += period);
    spent[round] = read_all(files, count);
  }
  for (int round = rounds; round < 2 * rounds; round++) spent[round] = read_all(files, count);
  printf("%d\n", count);
  for (int round = 0; round < 2 * rounds; round++) printf("%lld\n", spent[round]);
  return 0;
}
