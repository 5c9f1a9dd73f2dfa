/* One small process for each job of a bench, all children of this one.
 *
 *   population COUNT TICK_MS BUSY
 *
 * Prints the pid of each, one a line, and ends all of them when its standard input closes. Each
 * wakes every TICK_MS milliseconds and works for some microseconds, so that the counters of its
 * cgroup have changed at each sample, as those of a live job have; with TICK_MS 0 it sleeps for
 * ever. The first BUSY of them compute for a fifth of the time. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGES = 16, PAGE = 4096, BUSY_PERIOD_MS = 50 };

static double cpu_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

static void compute(double seconds) {
  for (double end = cpu_seconds() + seconds; cpu_seconds() < end;)
    for (volatile int step = 0; step < 4000; step++) continue; /* in user mode, not in the clock */
}

static void sleep_ms(double ms) {
  struct timespec span = {ms / 1000, (long)(ms * 1e6) % 1000000000L};
  nanosleep(&span, NULL);
}

/* Memory is taken and given back in turn: its counters move as well. */
static void touch(char *memory, int turn) {
  if (turn % 2)
    madvise(memory, PAGES * PAGE, MADV_DONTNEED);
  else
    for (int page = 0; page < PAGES; page++) memory[page * PAGE] = 1;
}

static void live(int number, int count, int tick_ms, int busy) {
  char *memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) _exit(1);
  sleep_ms((double)tick_ms * number / count); /* not all at one moment */
  for (int turn = 0;; turn++) {
    if (number < busy) {
      compute(0.2 * BUSY_PERIOD_MS / 1000);
      sleep_ms(0.8 * BUSY_PERIOD_MS);
    } else if (tick_ms) {
      compute(10e-6);
      sleep_ms(tick_ms);
    } else {
      pause();
    }
    touch(memory, turn);
  }
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  int count = atoi(argv[1]), tick_ms = atoi(argv[2]), busy = atoi(argv[3]);
  pid_t *pids = calloc(count + 1, sizeof *pids), parent = getpid();
  if (pids == NULL) return 1;
  for (int number = 0; number < count; number++) {
    pids[number] = fork();
    if (pids[number] == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL); /* none is left behind, however this one ends */
      if (getppid() != parent) _exit(1);
      close(0);
      close(1); /* its end is how the reader knows that all pids were told */
      live(number, count, tick_ms, busy);
    }
    if (pids[number] > 0) printf("%d\n", pids[number]);
  }
  fflush(stdout);
  fclose(stdout);
  for (char byte; read(0, &byte, 1) > 0;) continue;
  for (int number = 0; number < count; number++)
    if (pids[number] > 0) kill(pids[number], SIGKILL);
  while (wait(NULL) > 0) continue;
  return 0;
}
