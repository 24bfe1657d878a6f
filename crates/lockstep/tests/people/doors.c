/* What a container may do to mounts and, by them, to the kernel's switches: one line per call. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

static void say(const char *name, long result)
{
	printf("%s %s\n", name, result < 0 ? strerrorname_np(errno) : "done");
}

static int detached(const char *type)
{
	int context = fsopen(type, 0);
	if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return fsmount(context, 0, 0);
}

int main(void)
{
	say("mount", mount("none", "/tmp", "tmpfs", 0, NULL));
	say("move_mount", move_mount(detached("tmpfs"), "", AT_FDCWD, "/tmp", MOVE_MOUNT_F_EMPTY_PATH));
	/* Which no kernel can do, but the profile is asked first. */
	say("pivot_root", syscall(SYS_pivot_root, "/tmp", "/proc"));
	/* "h" lists the keys of SysRq in the kernel's log. */
	int key = open("/proc/sysrq-trigger", O_WRONLY);
	say("sysrq", write(key, "h", 1));
	key = openat(detached("proc"), "sysrq-trigger", O_WRONLY);
	say("detached", write(key, "h", 1));
	say("umount", umount2("/proc", MNT_DETACH));
	return 0;
}
