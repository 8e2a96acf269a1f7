#include "services/shapewire/orphans.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/process.h"

#define LOOK_MS 20u

static void
signal_children(int signal_number)
{
    DIR *dir = opendir("/proc");
    if (dir == NULL) {
        return;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 1 && process_parent(pid) == getpid()) {
            kill(pid, signal_number);
        }
    }
    closedir(dir);
}

/* Gives false when there is no child any more. */
static bool
reap(void)
{
    pid_t pid;
    do {
        pid = waitpid(-1, NULL, WNOHANG);
    } while (pid > 0 || (pid < 0 && errno == EINTR));
    return pid == 0;
}

void
orphans_end(uint32_t grace_ms)
{
    uint64_t until_ms = clock_mono_ms() + grace_ms;
    if (!reap()) {
        return;
    }
    signal_children(SIGTERM);
    while (reap()) {
        if (clock_mono_ms() >= until_ms) {
            signal_children(SIGKILL); /* again and again: a dying child may leave us its own */
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    }
}
