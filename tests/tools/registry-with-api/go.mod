module backref.test/tools/registry-with-api

go 1.26.0

tool backref.test/tools/registry-with-api

require github.com/google/go-containerregistry v0.21.3
