# The profile of Lockstep's containers where AppArmor is on and none is asked for. It takes nothing that an ordinary
# container has: capabilities, devices, system calls and files have limits of their own. What it adds holds where one
# of those is given up or broken: the kernel's doors below stay shut.
profile NAME flags=(attach_disconnected) {
  file,
  network,
  capability,
  unix,

  # Among the container's own processes, and from outside of every profile, where stop and kill come from; or from the
  # profile that lets Lockstep make user namespaces where others may not (docs/hardening.md).
  signal (send, receive) peer=NAME,
  signal (receive) peer={unconfined,lockstep},
  ptrace (trace, read, tracedby, readby) peer=NAME,
  ptrace (tracedby, readby) peer={unconfined,lockstep},

  # A mount could cover a path that is named here.
  deny mount,
  deny umount,
  deny pivot_root,

  # Settings and switches of the kernel. What a process may change of itself is below /proc/PID.
  deny /proc/sys/** wkl,
  deny /proc/{acpi,asound,bus,driver,fs,irq,pressure,scsi,tty}/** wkl,
  deny /proc/{mtrr,slabinfo,sysrq-trigger,timer_list} wkl,
  # Its memory and keys, which are not even read.
  deny /proc/{kcore,keys,kmsg,kpagecgroup,kpagecount,kpageflags,latency_stats,sched_debug,vmcore} rwkl,

  # Cgroups are below /sys/fs/cgroup, and writable where they are the container's.
  deny /sys/{block,bus,class,dev,devices,firmware,hypervisor,kernel,module,power}/** wkl,
  deny /sys/fs/{bpf,btrfs,erofs,ext4,f2fs,fuse,pstore,resctrl,selinux,smackfs,xfs}/** wkl,
  deny /sys/{firmware,kernel/debug,kernel/security,kernel/tracing}/** rwkl,
}
