package redistest

import "syscall"

// dieWithParent has the kernel kill the server when its parent is gone,
// however that ended.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
