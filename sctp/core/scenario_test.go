package core_test

import (
	"testing"

	"github.com/rserpool/rserpool/internal/scenario"
)

// TestScenarios replays the scripts below testdata, one folder per section of RFC
// 9260. With -update it rewrites what they expect.
func TestScenarios(t *testing.T) { scenario.Run(t, "testdata", scenario.NewSCTP) }
