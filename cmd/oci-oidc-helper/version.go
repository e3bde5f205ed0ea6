package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

// Set by the build with -ldflags -X. The version comes from the git tag alone.
var (
	version = ""
	commit  = ""
	date    = ""
)

// helperVersion returns the version of the release, or of the module, or "dev".
func helperVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

func (a *app) versionCommand() *cobra.Command {
	verify := false
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the version",
		Long: `Show the version. With --verify, show which bytes run as well: the program's SHA-256, to
compare with a release, and how to have GitHub's attestation of the release checked.`,
		Example: `  oci-oidc-helper version
  oci-oidc-helper version --verify`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "oci-oidc-helper %s\n", helperVersion())
			if commit != "" {
				fmt.Fprintf(out, "commit %s of %s\n", commit, date)
			}
			if _, err := fmt.Fprintf(out, "%s %s-%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH); err != nil || !verify {
				return err
			}
			return showProgram(out)
		},
	}
	cmd.Flags().BoolVar(&verify, "verify", false, "show which bytes run, and how to compare them with a release")
	return cmd
}

const (
	repository    = "opencode-oci-oidc/opencode-oci-oidc"
	buildWorkflow = repository + "/.github/workflows/build.yml" // which signs the attestations
)

// showProgram says which bytes run and where they come from, as far as a program can say that
// of itself: one that was exchanged may print anything, so the next step is to compare.
func showProgram(out io.Writer) error {
	path, err := os.Executable()
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	running := path
	if runtime.GOOS == "linux" {
		running = "/proc/self/exe" // also if the file at path was replaced since the start
	}
	sum, cause := fileSum(running)
	if err = cmp.Or(err, cause); err != nil {
		return problem.New(problem.Store, "The program cannot read its own file "+path+".",
			"Make it readable by you, or have its sum made with sha256sum.").Because(err)
	}
	fmt.Fprintf(out, "program %s\nsha256  %s\n", path, sum)
	fmt.Fprintf(out, "source  %s\n", source())
	fmt.Fprintf(out, "npm     %s\n", npmPackage(path))
	_, err = fmt.Fprintf(out, `
Compare the sum with that of %s-%s in programs.txt of the release, or have GitHub's attestation checked:
  gh attestation verify "%s" --repo %s --signer-workflow %s
For the npm package, run "npm audit signatures" where it is installed.
`, runtime.GOOS, runtime.GOARCH, path, repository, buildWorkflow)
	return err
}

func fileSum(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, file)
	return hex.EncodeToString(sum.Sum(nil)), err
}

// source returns the commit that the program was built from, as the Go toolchain recorded it.
func source() string {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return "not recorded"
	}
	at := map[string]string{}
	for _, setting := range info.Settings {
		at[setting.Key] = setting.Value
	}
	switch {
	case at["vcs.revision"] == "":
		return "not recorded"
	case at["vcs.modified"] == "true":
		return at["vcs.revision"] + ", with changes that are not committed: this is no release"
	default:
		return at["vcs.revision"]
	}
}

// npmPackage returns name and version of the npm package that the program is in.
func npmPackage(path string) string {
	var manifest struct{ Name, Version string }
	text, err := os.ReadFile(filepath.Join(filepath.Dir(path), "..", "package.json"))
	if err != nil || json.Unmarshal(text, &manifest) != nil || !strings.HasPrefix(manifest.Name, "@opencode-oci-oidc/") {
		return "no: the program is in no npm package"
	}
	return manifest.Name + " " + manifest.Version
}
