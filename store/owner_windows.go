package store

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Foreign says in a few words why somebody else than this user, and the
// administrator, can write the file at path, or is "". What Windows does not tell, as
// on a disk without access lists, is not held against the file.
func Foreign(path string, _ fs.FileInfo) string {
	sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return ""
	}
	if owner, _, err := sd.Owner(); err == nil && owner != nil && !ours(owner) {
		return "it belongs to another user"
	}
	list, _, err := sd.DACL()
	if err != nil {
		return ""
	}
	const write = windows.FILE_WRITE_DATA | windows.FILE_APPEND_DATA | windows.DELETE | windows.WRITE_DAC | windows.WRITE_OWNER |
		windows.GENERIC_WRITE | windows.GENERIC_ALL
	if list == nil || lets(list, write) {
		return "others can write it"
	}
	return ""
}

// Readers says in a few words why others than this user, and the administrator, can read
// what is at path, or is "". The other result is false where that is not known, as on a
// disk without access lists.
func Readers(path string) (why string, known bool) {
	sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return "", false
	}
	list, _, err := sd.DACL()
	if err != nil {
		return "", false
	}
	if list == nil || lets(list, windows.FILE_READ_DATA|windows.WRITE_DAC|windows.WRITE_OWNER|windows.GENERIC_READ|windows.GENERIC_ALL) {
		return "by its access list", true
	}
	return "", true
}

// MakePrivate is the command with which a person keeps others away from what is at path.
func MakePrivate(path string) string {
	rights := "F"
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		rights = "(OI)(CI)F"
	}
	me := "your-name"
	if current, err := user.Current(); err == nil {
		me = current.Username
	}
	return fmt.Sprintf(`icacls "%s" /inheritance:r /grant:r "%s:%s"`, path, me, rights)
}

// lets reports whether an access list lets somebody else do one of these things.
func lets(list *windows.ACL, rights windows.ACCESS_MASK) bool {
	for i := range uint32(list.AceCount) {
		var entry *windows.ACCESS_ALLOWED_ACE
		if windows.GetAce(list, i, &entry) != nil || entry.Header.AceType != windows.ACCESS_ALLOWED_ACE_TYPE ||
			entry.Header.AceFlags&windows.INHERIT_ONLY_ACE != 0 || entry.Mask&rights == 0 {
			continue
		}
		if !ours((*windows.SID)(unsafe.Pointer(&entry.SidStart))) {
			return true
		}
	}
	return false
}

// ours reports whether it is this user, or who can do everything anyhow: the
// administrators, to whom belongs what one of them made, and the system.
func ours(sid *windows.SID) bool {
	for _, known := range []windows.WELL_KNOWN_SID_TYPE{windows.WinBuiltinAdministratorsSid, windows.WinLocalSystemSid, windows.WinCreatorOwnerRightsSid} {
		if sid.IsWellKnown(known) {
			return true
		}
	}
	me, err := windows.GetCurrentProcessToken().GetTokenUser()
	return err == nil && sid.Equals(me.User.Sid)
}

// keepPrivate gives a directory an access list of its own, for this user and the
// system, which the files in it inherit: what lies above it may be open to everybody,
// as a second disk usually is. A disk without access lists stays as it is.
func keepPrivate(dir string, _ fs.FileInfo) error {
	sd, err := windows.GetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return nil
	}
	if control, _, err := sd.Control(); err == nil && control&windows.SE_DACL_PROTECTED != 0 {
		return nil // ours, or one that somebody has chosen
	}
	me, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return err
	}
	sd, err = windows.SecurityDescriptorFromString("D:P(A;OICI;FA;;;" + me.User.Sid.String() + ")(A;OICI;FA;;;SY)")
	if err != nil {
		return err
	}
	list, _, err := sd.DACL()
	if err != nil {
		return err
	}
	return windows.SetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, list, nil)
}
