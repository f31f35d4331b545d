package archtest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	pageLink     = regexp.MustCompile(`\]\(([^)\s#]+)(?:#[^)\s]*)?\)`)
	decisionLink = regexp.MustCompile(`[Dd]ecision (\d+)\]\([^)]*?(\d{4})-`)
)

// What pages link to in this repository is there, and a decision has the number that
// the link says.
func TestLinksOfPages(t *testing.T) {
	root := moduleRoot(t)
	pages := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a temporary file of somebody else
		}
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".md" {
			return nil
		}
		pages++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range pageLink.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], ":") {
				continue // of another site
			}
			_, err := os.Stat(filepath.Join(filepath.Dir(path), filepath.FromSlash(m[1])))
			require.NoError(t, err, "%s: %s", path, m[0])
		}
		for _, m := range decisionLink.FindAllStringSubmatch(string(text), -1) {
			require.Equal(t, strings.Repeat("0", 4-len(m[1]))+m[1], m[2], "%s: %s", path, m[0])
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, pages, 40)
}
