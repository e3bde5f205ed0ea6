package tokens

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// A ModelsFile is the file with an endpoint's list of models, for one session, since the
// list may depend on who is signed in. Several processes may use it at once.
type ModelsFile struct{ path string }

// OpenModels returns the file for the session of a configuration and one of its endpoints.
func OpenModels(p store.Places, c config.Config, e config.Endpoint) ModelsFile {
	session := strings.TrimSuffix(filepath.Base(Open(p, c).Path()), ".json")
	key := sha256.Sum256([]byte(session + " " + e.BaseURL))
	return ModelsFile{filepath.Join(p.StateDir, "models", hex.EncodeToString(key[:])+".json")}
}

// Path returns the file's path.
func (f ModelsFile) Path() string { return f.path }

// maxModelsSize is the longest file that is read, in bytes.
const maxModelsSize = 1 << 20

// modelsVersion is the version of the file's format. A file of another version is ignored,
// and the models are requested again.
const modelsVersion = 1

type modelsFile struct {
	Version int             `json:"version"`
	AskedAt time.Time       `json:"askedAt"`
	Models  endpoint.Models `json:"models"`
}

// Load returns the models and when they were requested, or nil and the zero time if there is
// no usable file.
func (f ModelsFile) Load() (endpoint.Models, time.Time) {
	var file modelsFile
	text, err := regular.Read(f.path, maxModelsSize)
	if err != nil || json.Unmarshal(text, &file) != nil || file.Version != modelsVersion {
		return nil, time.Time{}
	}
	return file.Models, file.AskedAt
}

// Save writes the models to the file. If another process is writing it at the moment, Save
// does nothing. Its error is a problem of kind Store.
func (f ModelsFile) Save(models endpoint.Models, askedAt time.Time) error {
	unlock, ok, err := store.TryLock(strings.TrimSuffix(f.path, ".json") + ".lock")
	if err != nil {
		return err
	}
	if !ok { // another process is saving a list as recent as this one
		return nil
	}
	defer unlock()
	text, err := json.Marshal(modelsFile{modelsVersion, askedAt.UTC(), models})
	if err == nil {
		err = store.Replace(f.path, append(text, '\n'))
	}
	if err != nil {
		return store.NotWritten("The list of models could not be saved in "+f.path, err)
	}
	return nil
}
