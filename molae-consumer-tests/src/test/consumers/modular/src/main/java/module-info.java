/** An application on the module path. It names every module whose types it uses: automatic modules name none for it. */
module org.example.modular {
    requires ai.djl.api;
    requires ai.djl.tokenizers;
    requires ai.molae.core;
    requires ai.molae.djl;
}
