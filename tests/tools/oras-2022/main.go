// oras-2022 attaches, lists, pulls and copies as the ORAS client of September 2022 did, by the library that it was made
// of: ORAS artifact manifests, and who refers to whom by `_oras/artifacts/referrers`.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	artifactspec "github.com/oras-project/artifacts-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/registry/remote"
)

const usage = `usage:
  oras-2022 attach REFERENCE TYPE FILE   prints the digest of what was attached
  oras-2022 discover REFERENCE [TYPE]    prints digest and artifact type of each referrer
  oras-2022 extensions REFERENCE         prints the extensions that the repository has
  oras-2022 pull REFERENCE FILE          writes the first blob of an artifact to a file, prints the manifest's media type
  oras-2022 copy FROM TO                 copies with all referrers, prints the digest`

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return errors.New(usage)
	}
	repository, err := open(args[1])
	if err != nil {
		return err
	}
	switch command, rest := args[0], args[2:]; {
	case command == "attach" && len(rest) == 2:
		return attach(ctx, repository, rest[0], rest[1])
	case command == "discover" && len(rest) <= 1:
		return discover(ctx, repository, append(rest, "")[0])
	case command == "extensions" && len(rest) == 0:
		return extensions(ctx, repository)
	case command == "pull" && len(rest) == 1:
		return pull(ctx, repository, rest[0])
	case command == "copy" && len(rest) == 1:
		return copyAll(ctx, repository, rest[0])
	}
	return errors.New(usage)
}

func open(reference string) (*remote.Repository, error) {
	repository, err := remote.NewRepository(reference)
	if err == nil {
		repository.PlainHTTP = true
		repository.ReferrerListPageSize = 2 // so that pages are followed
	}
	return repository, err
}

func attach(ctx context.Context, repository *remote.Repository, artifactType, file string) error {
	subject, err := repository.Resolve(ctx, repository.Reference.Reference)
	if err != nil {
		return err
	}
	bytes, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	blob, err := oras.PushBytes(ctx, repository, "application/octet-stream", bytes)
	if err != nil {
		return err
	}
	to := artifact(subject)
	options := oras.PackArtifactOptions{Subject: &to}
	attached, err := oras.PackArtifact(ctx, repository, artifactType, []artifactspec.Descriptor{artifact(blob)}, options)
	if err == nil {
		fmt.Println(attached.Digest)
	}
	return err
}

func artifact(of ocispec.Descriptor) artifactspec.Descriptor {
	return artifactspec.Descriptor{MediaType: of.MediaType, Digest: of.Digest, Size: of.Size}
}

func discover(ctx context.Context, repository *remote.Repository, artifactType string) error {
	subject, err := repository.Resolve(ctx, repository.Reference.Reference)
	if err != nil {
		return err
	}
	return repository.Referrers(ctx, subject, artifactType, func(referrers []artifactspec.Descriptor) error {
		for _, referrer := range referrers {
			fmt.Println(referrer.Digest, referrer.ArtifactType)
		}
		return nil
	})
}

func extensions(ctx context.Context, repository *remote.Repository) error {
	found, err := repository.DiscoverExtensions(ctx)
	for _, extension := range found {
		fmt.Println(extension.Name, extension.Endpoints)
	}
	return err
}

func pull(ctx context.Context, repository *remote.Repository, file string) error {
	found, bytes, err := oras.FetchBytes(ctx, repository, repository.Reference.Reference, oras.DefaultFetchBytesOptions)
	if err != nil {
		return err
	}
	var manifest artifactspec.Manifest
	if err := json.Unmarshal(bytes, &manifest); err != nil {
		return err
	}
	if len(manifest.Blobs) == 0 {
		return fmt.Errorf("%s has no blobs", found.Digest)
	}
	first := manifest.Blobs[0]
	blob := ocispec.Descriptor{MediaType: first.MediaType, Digest: first.Digest, Size: first.Size}
	bytes, err = content.FetchAll(ctx, repository, blob)
	if err != nil {
		return err
	}
	fmt.Println(found.MediaType)
	return os.WriteFile(file, bytes, 0o600)
}

func copyAll(ctx context.Context, from *remote.Repository, reference string) error {
	to, err := open(reference)
	if err != nil {
		return err
	}
	options := oras.DefaultExtendedCopyOptions
	copied, err := oras.ExtendedCopy(ctx, from, from.Reference.Reference, to, to.Reference.Reference, options)
	if err == nil {
		fmt.Println(copied.Digest)
	}
	return err
}
