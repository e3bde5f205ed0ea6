package store

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
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
	if list == nil || lets(list, write, ours) {
		return "others can write it"
	}
	return ""
}

// systemDir is the directory in which OpenCode has its managed one. It asks the system,
// since a variable of the environment is anybody's.
func systemDir() string {
	dir, err := windows.KnownFolderPath(windows.FOLDERID_ProgramData, windows.KF_FLAG_DEFAULT)
	if err != nil {
		return ""
	}
	return dir
}

// Unmanaged says in a few words why somebody else than an administrator can change the
// file at path, or put another one in its place, or is "". Directories further up do not
// matter: what is an administrator's, nobody else can rename in them.
func Unmanaged(path string, _ int) string {
	for _, path := range []string{path, filepath.Dir(path)} {
		if info, err := os.Lstat(path); err != nil || info.Mode()&(os.ModeSymlink|os.ModeIrregular) != 0 {
			return path + " is a link, or cannot be looked at"
		}
		sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
		if err != nil {
			return path + " has an access list that cannot be read"
		}
		if why := notAdministrators(sd); why != "" {
			return path + " " + why
		}
	}
	return ""
}

// notAdministrators says in a few words why a file or directory of this kind is not the
// administrators' alone to change, or is "".
func notAdministrators(sd *windows.SECURITY_DESCRIPTOR) string {
	if owner, _, err := sd.Owner(); err != nil || owner == nil || !administrators(owner) {
		return "belongs to somebody who is no administrator"
	}
	const deleteChild = 0x40 // FILE_DELETE_CHILD
	const write = windows.FILE_WRITE_DATA | windows.FILE_APPEND_DATA | deleteChild | windows.DELETE | windows.WRITE_DAC |
		windows.WRITE_OWNER | windows.GENERIC_WRITE | windows.GENERIC_ALL
	if list, _, err := sd.DACL(); err != nil || list == nil || lets(list, write, administrators) {
		return "can be written by others"
	}
	return ""
}

// MakeManaged is the command with which an administrator keeps others from changing the
// file at path. What is made below ProgramData lets every user add files.
func MakeManaged(path string) string {
	return fmt.Sprintf(`icacls "%s" /setowner *S-1-5-32-544 /T & icacls "%s" /inheritance:r /grant:r `+
		`*S-1-5-32-544:(OI)(CI)F *S-1-5-18:(OI)(CI)F *S-1-5-32-545:(OI)(CI)RX`, filepath.Dir(path), filepath.Dir(path))
}

// trustedInstaller is the service that owns what comes with Windows.
const trustedInstaller = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"

func administrators(sid *windows.SID) bool {
	return everPowerful(sid) || sid.String() == trustedInstaller
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
	if list == nil || lets(list, windows.FILE_READ_DATA|windows.WRITE_DAC|windows.WRITE_OWNER|windows.GENERIC_READ|windows.GENERIC_ALL, ours) {
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

// lets reports whether an access list lets anybody but these do one of these things.
func lets(list *windows.ACL, rights windows.ACCESS_MASK, these func(*windows.SID) bool) bool {
	for i := range uint32(list.AceCount) {
		var entry *windows.ACCESS_ALLOWED_ACE
		if windows.GetAce(list, i, &entry) != nil || entry.Header.AceType != windows.ACCESS_ALLOWED_ACE_TYPE ||
			entry.Header.AceFlags&windows.INHERIT_ONLY_ACE != 0 || entry.Mask&rights == 0 {
			continue
		}
		if !these((*windows.SID)(unsafe.Pointer(&entry.SidStart))) {
			return true
		}
	}
	return false
}

// ours reports whether it is this user, or who can do everything anyhow: the
// administrators, to whom belongs what one of them made, and the system.
func ours(sid *windows.SID) bool {
	if everPowerful(sid) {
		return true
	}
	me, err := windows.GetCurrentProcessToken().GetTokenUser()
	return err == nil && sid.Equals(me.User.Sid)
}

// everPowerful reports whether it is who can do everything anyhow.
func everPowerful(sid *windows.SID) bool {
	for _, known := range []windows.WELL_KNOWN_SID_TYPE{windows.WinBuiltinAdministratorsSid, windows.WinLocalSystemSid, windows.WinCreatorOwnerRightsSid} {
		if sid.IsWellKnown(known) {
			return true
		}
	}
	return false
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
